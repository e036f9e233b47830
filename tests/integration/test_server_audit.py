"""The audit trail of the real server, on both databases: told, asked for, exported, never text."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from typer.testing import CliRunner

from persona_engine import PersonaEngine
from persona_engine.cli.app import app as cli
from persona_engine.errors import InvalidInputError, StoreUnavailableError
from persona_engine.server import ServerSettings, create_app, security
from persona_engine.store import AuditQuery, NewAuditEvent, Store
from persona_engine.store.audit import subject
from persona_engine.types import Scope

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine(store_url):
    with PersonaEngine(store_url) as opened:
        yield opened


@pytest.fixture
def app(engine):
    return create_app(engine, ServerSettings(preload=False))


@pytest.fixture
def client(app):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


@pytest.fixture
def key(engine):
    return engine.store.api_keys.create("acme", label="k", scopes=["admin"])


@pytest.fixture
def bearer(key):
    return {"Authorization": f"Bearer {key.secret}"}


async def told(engine, app, **query):
    await security.close(app)
    found = engine.store.tenant("acme").audit_events(AuditQuery(**query))
    return [(each.action, each.detail.get("route"), each.detail.get("status")) for each in found]


async def test_what_requests_did(client, engine, app, key, bearer):
    engine.store.user(Scope("acme", "alice")).touch()
    wish = {"text": "No lists about my divorce, please."}
    async with client:
        client.headers.update({**bearer, "X-Request-ID": "r-1"})
        await client.get("/api/v1/users/alice/instructions")
        await client.post("/api/v1/users/alice/instructions", json=wish)
        await client.get("/api/v1/users/alice/export")
        await client.get("/api/v1/users/nobody/export")
        events = await told(engine, app)
        await client.delete("/api/v1/users/alice")
    people = "/api/v1/users/{user}"
    assert events == [
        ("read", f"{people}/instructions", 200),
        ("write", f"{people}/instructions", 201),
        ("export", f"{people}/export", 200),
        ("export", f"{people}/export", 404),
    ]
    left = await told(engine, app, user="alice")
    assert [action for action, *_ in left] == ["forget", "delete"]  # the engine's word, and ours
    trail = engine.store.tenant("acme").audit_events(AuditQuery(actor=key.key.id))
    assert {each.request for each in trail} == {"r-1"}
    assert {each.subject for each in trail} == {subject("alice"), subject("nobody")}
    assert "divorce" not in repr(trail)
    assert "alice" not in repr(trail)


async def test_exports_and_deletions_are_on_the_disk_before_their_answers(client, engine, bearer):
    engine.user("alice", tenant="acme").instruct("Be brief.")
    async with client:
        await client.get("/api/v1/users/alice/export", headers=bearer)
        (event,) = engine.store.tenant("acme").audit_events()  # nobody waited for it
        assert event.action == "export"
        await client.delete("/api/v1/users/alice", headers=bearer)
        assert engine.store.tenant("acme").audit_events()[-1].action == "delete"


async def test_no_export_leaves_unless_it_can_be_told_of(client, engine, bearer, monkeypatch):
    engine.user("alice", tenant="acme").instruct("Be brief.")

    def full(_events):
        raise StoreUnavailableError("the disk is full")

    monkeypatch.setattr(engine.store, "audit", full)
    async with client:
        answer = await client.get("/api/v1/users/alice/export", headers=bearer)
    assert answer.status_code == 503
    assert "brief" not in answer.text


async def test_what_cannot_be_told_of_later_is_logged(
    *, client, engine, app, bearer, monkeypatch, caplog
):
    def full(_events):
        raise StoreUnavailableError("the disk is full")

    monkeypatch.setattr(engine.store, "audit", full)
    async with client:
        answer = await client.get("/api/v1/users", headers=bearer)
        await security.close(app)
    assert answer.status_code == 200
    assert "1 audit events could not be written" in caplog.text
    assert logging.ERROR in {each.levelno for each in caplog.records}


async def test_strangers_and_probes_leave_no_trail(client, engine, app):
    async with client:
        await client.get("/health")
        await client.get("/api/v1/users")
        await client.get("/api/v1/users", headers={"Authorization": "Bearer wrong"})
    assert await told(engine, app) == []


async def test_what_a_key_may_not_do_is_told(client, engine, app):
    chat = engine.store.api_keys.create("acme", label="k", scopes=["chat"]).secret
    async with client:
        answer = await client.get(
            "/api/v1/users/alice/export", headers={"Authorization": f"Bearer {chat}"}
        )
    assert answer.status_code == 403
    assert await told(engine, app) == [("export", "/api/v1/users/{user}/export", 403)]


async def test_a_slash_in_a_name_hides_nobody(client, engine, app, bearer):
    async with client:
        await client.get("/api/v1/users/team%2Falice", headers=bearer)
    await security.close(app)
    (event,) = engine.store.tenant("acme").audit_events()
    assert event.subject == subject("team/alice")


async def test_the_trail_can_be_asked_for(client, engine, key, bearer):
    other = engine.store.api_keys.create("other", label="k", scopes=["admin"])
    store = engine.store
    store.audit([NewAuditEvent("acme", f"u{n % 2}", "read", {"n": n}, "k1") for n in range(5)])
    store.audit([NewAuditEvent("other", "u0", "read", {"n": 99}, "k1")])
    async with client:
        first = (await client.get("/api/v1/audit?count=3&key=k1", headers=bearer)).json()
        assert [each["detail"]["n"] for each in first["events"]] == [0, 1, 2]
        rest = await client.get(f"/api/v1/audit?key=k1&after={first['next']}", headers=bearer)
        assert [each["detail"]["n"] for each in rest.json()["events"]] == [3, 4]
        assert rest.json()["next"] is None
        mine = await client.get("/api/v1/audit?user=u1&action=read", headers=bearer)
        assert [each["detail"]["n"] for each in mine.json()["events"]] == [1, 3]
        later = {"since": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
        none = await client.get("/api/v1/audit", params=later, headers=bearer)
        assert none.json()["events"] == []
        theirs = await client.get(
            "/api/v1/audit?key=k1", headers={"Authorization": f"Bearer {other.secret}"}
        )
        assert [each["detail"]["n"] for each in theirs.json()["events"]] == [99]
        for bad in ("since=soon", "since=2026-01-01T00:00:00", "count=0", "after=-1", "action=%00"):
            assert (await client.get(f"/api/v1/audit?{bad}", headers=bearer)).status_code == 422
    asked = store.tenant("acme").audit_events(AuditQuery(actor=key.key.id))
    assert {each.action for each in asked} == {"export"}  # who reads the trail is told of in it


async def test_only_admins_read_the_trail(client, engine):
    chat = engine.store.api_keys.create("acme", label="k", scopes=["chat", "feedback"]).secret
    async with client:
        answer = await client.get("/api/v1/audit", headers={"Authorization": f"Bearer {chat}"})
    assert answer.status_code == 403


async def test_many_at_once_share_transactions(client, engine, app, bearer, monkeypatch):
    sizes = []
    write = engine.store.audit
    monkeypatch.setattr(
        engine.store, "audit", lambda events: sizes.append(len(events)) or write(events)
    )
    async with client:
        await asyncio.gather(
            *(client.get(f"/api/v1/users/u{n}", headers=bearer) for n in range(60))
        )
    await security.close(app)
    assert sum(sizes) == 60
    assert len(sizes) < 50
    assert len(engine.store.tenant("acme").audit_events()) == 60


def test_events_are_written_all_or_none(store):
    bad = NewAuditEvent("acme", None, "", {})
    with pytest.raises(InvalidInputError, match="action is ''"):
        store.audit([NewAuditEvent("acme", None, "read", {}), bad])
    with pytest.raises(InvalidInputError, match="not JSON"):
        store.audit([NewAuditEvent("acme", None, "read", {"x": object()})])
    assert store.tenant("acme").audit_events() == ()
    store.audit([])


def test_the_terminal_shows_exports_and_prunes(store_url, tmp_path):
    with Store(store_url) as store:
        store.audit(
            [NewAuditEvent("default", "alice", "read", {"n": n}, "k1", "r") for n in range(1200)]
        )

    def call(*arguments):
        result = CliRunner().invoke(
            cli, ["--database", store_url, "audit", *arguments], env={"COLUMNS": "200"}
        )
        assert result.exit_code == 0, result.stderr
        return result.stdout

    latest = json.loads(call("list", "--limit", "2", "--json"))["events"]
    assert [each["detail"]["n"] for each in latest] == [1198, 1199]
    assert subject("alice")[:12] in call("list", "--limit", "1", "--user", "alice")
    assert json.loads(call("list", "--key", "k2", "--json"))["events"] == []
    file = tmp_path / "trail.jsonl"
    assert call("export", str(file), "--since", "1h").startswith("1200 events in")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["detail"]["n"] for line in lines] == list(range(1200))
    again = CliRunner().invoke(cli, ["--database", store_url, "audit", "export", str(file)])
    assert again.exit_code == 2
    assert len(file.read_text().splitlines()) == 1200
    assert call("prune", "--before", "1d") == "0 events are deleted.\n"
    assert json.loads(call("prune", "--before", "2100-01-01", "--json")) == {"pruned": 1201}
    (left,) = json.loads(call("list", "--json"))["events"]
    assert left["action"] == "prune"

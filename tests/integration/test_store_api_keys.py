"""API keys on both databases: made, found, stopped at once in every process, never readable."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from statistics import median
from time import perf_counter

import pytest
from sqlalchemy import text

from persona_engine.errors import InvalidInputError, NotFoundError, ScopeError
from persona_engine.store import Store

START = datetime(2026, 11, 22, 7, tzinfo=UTC)


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def keys(store_url, clock):
    with Store(store_url, clock=clock) as store:
        yield store.api_keys


def test_a_secret_finds_its_key(keys):
    made = keys.create("acme", label="backend", scopes=["feedback", "chat"], per_minute=30)
    found = keys.find(made.secret)
    assert found == made.key
    assert (found.tenant, found.label, found.per_minute) == ("acme", "backend", 30)
    assert found.scopes == {"chat", "feedback"}
    assert found.created_at == START
    assert keys.list("acme") == (made.key,)
    assert keys.list("other") == ()


def test_secrets_are_random_and_are_not_shown_by_accident(keys):
    made = [keys.create("acme", label="k", scopes=["chat"]) for _ in range(20)]
    assert len({each.secret for each in made}) == len({each.key.id for each in made}) == 20
    assert all(each.secret not in repr(each) for each in made)
    assert all(len(each.secret.split("_", 2)[2]) == 43 for each in made)  # 256 bits in base64


def test_the_database_holds_no_secret(keys, store_url):
    made = keys.create("acme", label="k", scopes=["admin"])
    random = made.secret.split("_", 2)[2]
    with keys._database.read() as connection:
        rows = connection.execute(text("SELECT * FROM api_key")).all()
    assert random not in repr(rows)
    assert made.key.id in repr(rows)


@pytest.mark.parametrize(
    "wrong",
    ["", "persona", "persona_0123456789abcdef_" + "A" * 43, "é" * 70, "\ud800", "a\0b", "x" * 9999],
)
def test_what_is_no_secret_finds_nothing(keys, wrong):
    keys.create("acme", label="k", scopes=["chat"])
    assert keys.find(wrong) is None


def test_the_id_alone_finds_nothing(keys):
    made = keys.create("acme", label="k", scopes=["chat"])
    other = keys.create("acme", label="k", scopes=["chat"])
    assert keys.find(f"persona_{made.key.id}_{other.secret.split('_', 2)[2]}") is None


def test_expired_and_revoked_keys_stop(keys, clock):
    short = keys.create("acme", label="k", scopes=["chat"], expires_at=START + timedelta(hours=1))
    made = keys.create("acme", label="k", scopes=["chat"])
    assert keys.find(short.secret).status(clock()) == "live"
    clock.now += timedelta(hours=1)
    assert keys.find(short.secret) is None
    revoked = keys.revoke("acme", made.key.id)
    assert (revoked.revoked_at, revoked.status(clock())) == (clock.now, "revoked")
    assert keys.find(made.secret) is None
    clock.now += timedelta(hours=1)
    assert keys.revoke("acme", made.key.id) == revoked  # once is enough
    statuses = {each.id: each.status(clock()) for each in keys.list("acme")}
    assert statuses == {short.key.id: "expired", made.key.id: "revoked"}


def test_another_tenant_cannot_revoke(keys):
    made = keys.create("acme", label="k", scopes=["chat"])
    with pytest.raises(NotFoundError, match="tenant 'other' has no key"):
        keys.revoke("other", made.key.id)
    assert keys.find(made.secret) == made.key


def test_last_use_is_written_once_a_minute(keys, clock):
    made = keys.create("acme", label="k", scopes=["chat"])
    for seconds, seen in ((0, 0), (59, 0), (61, 61)):
        clock.now = START + timedelta(seconds=seconds)
        keys.touch(keys.find(made.secret))
        assert keys.find(made.secret).used_at == START + timedelta(seconds=seen)
    clock.now = START
    keys.touch(made.key)  # a process whose clock is behind takes nothing back
    assert keys.find(made.secret).used_at == START + timedelta(seconds=61)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scopes": []}, "expected one or more of chat, feedback, admin"),
        ({"scopes": ["chat", "root"]}, "'root'"),
        ({"scopes": "chat"}, "scopes is 'chat'"),
        ({"label": ""}, "label is ''"),
        ({"label": "a\nb"}, "without control characters"),
        ({"per_minute": 0}, "per_minute is 0"),
        ({"per_minute": True}, "per_minute is True"),
        ({"expires_at": START}, "which has passed"),
        ({"expires_at": datetime(2027, 1, 1)}, "expected an aware datetime"),
    ],
)
def test_what_cannot_be_a_key(keys, settings, message):
    with pytest.raises(InvalidInputError, match=message):
        keys.create("acme", **{"label": "k", "scopes": ["chat"], **settings})
    assert keys.list("acme") == ()


def test_a_tenant_must_be_a_name(keys):
    with pytest.raises(ScopeError, match="tenant is ''"):
        keys.create("", label="k", scopes=["chat"])


def revoke_elsewhere(url: str, tenant: str, id_: str) -> None:
    with Store(url) as store:
        store.api_keys.revoke(tenant, id_)


@pytest.mark.skipif(sys.platform == "win32", reason="spawns")
def test_revoked_in_one_process_is_revoked_in_all(store_url):
    with Store(store_url) as store:
        made = store.api_keys.create("acme", label="k", scopes=["chat"])
        assert store.api_keys.find(made.secret) is not None
        other = get_context("spawn").Process(
            target=revoke_elsewhere, args=(store_url, "acme", made.key.id)
        )
        other.start()
        other.join(60)
        assert other.exitcode == 0
        assert store.api_keys.find(made.secret) is None


def test_unknown_keys_take_as_long_as_revoked_ones(keys):
    made = keys.create("acme", label="k", scopes=["chat"])
    keys.revoke("acme", made.key.id)
    unknown = f"persona_{'0' * 16}_{'A' * 43}"
    times = {made.secret: [], unknown: []}
    for _ in range(300):
        for secret, took in times.items():
            start = perf_counter()
            keys.find(secret)
            took.append(perf_counter() - start)
    revoked, stranger = (median(took) for took in times.values())
    assert abs(revoked - stranger) < 0.5 * min(revoked, stranger) + 50e-6

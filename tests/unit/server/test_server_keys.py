"""Who may call: 401 for strangers, all alike; 403 without the scope; the tenant is the key's."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from fastapi import Depends, FastAPI

from persona_engine.errors import ConfigError
from persona_engine.server import ServerSettings, problems
from persona_engine.server.security import check_start
from persona_engine.server.security.keys import Caller, Keys, allowed

pytestmark = pytest.mark.anyio


def client_of(store, **settings):
    app = FastAPI()
    problems.install(app)
    app.state.keys = Keys(store, **settings)
    for scope in ("chat", "feedback", "admin"):

        def route(caller: Caller = Depends(allowed(scope))) -> dict[str, object]:  # noqa: B008
            return {"tenant": caller.tenant, "key": caller.key_id, "scopes": sorted(caller.scopes)}

        app.add_api_route(f"/{scope}", route, methods=["GET", "POST"])
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def test_scopes(store):
    async with client_of(store) as client:
        for scopes, opened in (
            (["chat"], {"chat"}),
            (["feedback"], {"feedback"}),
            (["chat", "feedback"], {"chat", "feedback"}),
            (["admin"], {"chat", "feedback", "admin"}),
        ):
            secret = store.api_keys.create("acme", label="k", scopes=scopes).secret
            for path in ("chat", "feedback", "admin"):
                answer = await client.get(f"/{path}", headers=bearer(secret))
                assert answer.status_code == (200 if path in opened else 403)
                if path not in opened:
                    assert answer.json()["type"] == "forbidden"
                    assert f"lacks the scope '{path}'" in answer.json()["message"]


async def test_the_tenant_is_the_keys(store):
    made = store.api_keys.create("acme", label="k", scopes=["chat"])
    async with client_of(store) as client:
        answer = await client.get("/chat?tenant=other", headers=bearer(made.secret))
    assert answer.json() == {"tenant": "acme", "key": made.key.id, "scopes": ["chat"]}


async def test_strangers_are_all_alike(store, now):
    revoked = store.api_keys.create("acme", label="k", scopes=["chat"])
    store.api_keys.revoke("acme", revoked.key.id)
    end = now[0] + timedelta(minutes=1)
    expired = store.api_keys.create("acme", label="k", scopes=["chat"], expires_at=end).secret
    live = store.api_keys.create("acme", label="k", scopes=["chat"])
    wrong = live.secret[:-1] + ("A" if live.secret[-1] != "A" else "B")
    async with client_of(store) as client:
        assert (await client.get("/chat", headers=bearer(expired))).status_code == 200
        now[0] += timedelta(minutes=1)
        headers = [
            {},
            bearer(revoked.secret),
            bearer(expired),
            bearer(wrong),
            bearer(""),
            {"Authorization": live.secret},
            {"Authorization": f"Basic {live.secret}"},
            {"Authorization": f"Bearer {live.secret}, Bearer {live.secret}"},
            {"X-Api-Key": live.secret},
        ]
        answers = [await client.get("/chat", headers=each) for each in headers]
        assert (await client.get("/chat", headers=bearer(live.secret))).status_code == 200
        on_query = await client.get(f"/chat?api_key={live.secret}")
    assert {each.status_code for each in (*answers, on_query)} == {401}
    assert len({each.content for each in answers}) == 1
    assert {each.headers["WWW-Authenticate"] for each in answers} == {"Bearer"}


async def test_a_revoked_key_stops_at_once(store):
    made = store.api_keys.create("acme", label="k", scopes=["chat"])
    async with client_of(store) as client:
        assert (await client.get("/chat", headers=bearer(made.secret))).status_code == 200
        store.api_keys.revoke("acme", made.key.id)
        assert (await client.get("/chat", headers=bearer(made.secret))).status_code == 401


async def test_use_is_noted(store, now):
    made = store.api_keys.create("acme", label="k", scopes=["chat"])
    async with client_of(store) as client:
        await client.get("/chat", headers=bearer(made.secret))
    assert store.api_keys.list("acme")[0].used_at == now[0]


async def test_open_to_loopback(store):
    async with client_of(store, open_to_loopback=True) as client:
        answer = await client.get("/admin")
        assert answer.json()["tenant"] == "default"
        assert answer.json()["scopes"] == ["admin", "chat", "feedback"]
        for headers in (
            {"Host": "rebound.example"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            refused = await client.post("/admin", headers=headers)
            assert refused.status_code == 403, headers
        own = {"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"}
        assert (await client.post("/admin", headers=own)).status_code == 200
        assert (await client.get("/admin", headers=bearer("wrong"))).status_code == 401


async def test_open_to_loopback_is_not_open_to_others(store):
    async with client_of(store, open_to_loopback=True) as client:
        client._transport.client = ("10.0.0.7", 4711)
        assert (await client.get("/admin")).status_code == 403


def test_no_start_without_authentication(store):
    with pytest.raises(ConfigError, match="no key exists that is valid"):
        check_start(ServerSettings(), store)
    made = store.api_keys.create("acme", label="k", scopes=["chat"])
    check_start(ServerSettings(), store)
    check_start(ServerSettings(host="0.0.0.0"), store)
    store.api_keys.revoke("acme", made.key.id)
    with pytest.raises(ConfigError, match="no key exists that is valid"):
        check_start(ServerSettings(host="0.0.0.0"), store)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_a_loopback_start_may_be_open(store, host):
    check_start(ServerSettings(host=host, insecure_loopback=True), store)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_no_other_start_may_be_open(store, host):
    store.api_keys.create("acme", label="k", scopes=["chat"])
    with pytest.raises(ConfigError, match="which others can reach"):
        check_start(ServerSettings(host=host, insecure_loopback=True), store)

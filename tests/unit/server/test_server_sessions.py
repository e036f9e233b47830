"""The console's sessions: made from a key, gone with it, of no use to other pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Form, Request, Response

from persona_engine.server import problems
from persona_engine.server.security import csrf
from persona_engine.server.security.keys import Caller, Keys, allowed
from persona_engine.server.security.sessions import ConsoleSessions

HERE = "http://console.example"
pytestmark = pytest.mark.anyio


def client_of(store, *, https=False):
    app = FastAPI()
    problems.install(app)
    sessions = ConsoleSessions(store, seconds=3600, https=https)
    app.state.keys = Keys(store, sessions=sessions)

    @app.post("/login", dependencies=[Depends(csrf.from_own_page)])
    def log_in(response: Response, secret: Annotated[str, Form()]) -> bool:
        return sessions.log_in(response, secret) is not None

    @app.post("/logout")
    def log_out(request: Request, response: Response) -> None:
        sessions.log_out(request, response)

    @app.get("/page")
    def page(request: Request) -> str:
        return sessions.csrf_token(request)

    @app.api_route("/data", methods=["GET", "POST", "DELETE"])
    def data(caller: Caller = Depends(allowed("admin"))) -> str:  # noqa: B008
        return caller.tenant

    base = HERE.replace("http:", "https:") if https else HERE
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base)


def key_of(store, scope="admin"):
    return store.api_keys.create("acme", label="k", scopes=[scope])


async def test_a_session_is_its_key(store):
    async with client_of(store) as client:
        assert (await client.get("/data")).status_code == 401
        assert (await client.post("/login", data={"secret": "wrong"})).json() is False
        assert "set-cookie" not in (await client.post("/login", data={"secret": "x"})).headers
        made = key_of(store)
        answer = await client.post("/login", data={"secret": made.secret})
        cookie = answer.headers["set-cookie"]
        assert all(each in cookie for each in ("HttpOnly", "SameSite=strict", "Path=/"))
        assert made.secret not in cookie
        assert (await client.get("/data")).json() == "acme"


async def test_scopes_hold_for_sessions(store):
    async with client_of(store) as client:
        await client.post("/login", data={"secret": key_of(store, "chat").secret})
        assert (await client.get("/data")).status_code == 403


async def test_changes_need_the_pages_token(store):
    async with client_of(store) as client:
        await client.post("/login", data={"secret": key_of(store).secret})
        token = (await client.get("/page")).json()
        for headers in (
            {},
            {csrf.HEADER: "wrong"},
            {csrf.HEADER: csrf.token_of("another session")},
            {csrf.HEADER: token, "Origin": "http://evil.example"},
            {csrf.HEADER: token, "Origin": "null"},
            {csrf.HEADER: token, "Origin": f"{HERE}:8081"},  # same site, another origin
            {csrf.HEADER: token, "Sec-Fetch-Site": "same-site"},
        ):
            for method in ("POST", "DELETE"):
                refused = await client.request(method, "/data", headers=headers)
                assert refused.status_code == 403, headers
        own = {csrf.HEADER: token, "Origin": HERE, "Sec-Fetch-Site": "same-origin"}
        assert (await client.post("/data", headers=own)).status_code == 200
        assert (await client.post("/data", headers={csrf.HEADER: token})).status_code == 200


async def test_a_key_in_the_header_wins_and_needs_no_token(store):
    async with client_of(store) as client:
        await client.post("/login", data={"secret": key_of(store).secret})
        key = {"Authorization": f"Bearer {key_of(store).secret}"}
        assert (await client.post("/data", headers=key)).status_code == 200
        wrong = {"Authorization": "Bearer wrong"}
        assert (await client.get("/data", headers=wrong)).status_code == 401


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_no_other_page_logs_somebody_in(store, headers):
    async with client_of(store) as client:
        answer = await client.post("/login", data={"secret": key_of(store).secret}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_session_ends(store, now):
    async with client_of(store) as client:
        made = key_of(store)

        async def log_in():
            await client.post("/login", data={"secret": made.secret})
            assert (await client.get("/data")).status_code == 200

        await log_in()
        stolen = client.cookies.get("persona_session")
        await client.post("/logout")
        assert "persona_session" not in client.cookies
        client.cookies.set("persona_session", stolen)
        assert (await client.get("/data")).status_code == 401  # also for who copied it
        client.cookies.clear()
        await log_in()
        now[0] += timedelta(hours=1)
        assert (await client.get("/data")).status_code == 401
        client.cookies.clear()
        await log_in()
        store.api_keys.revoke("acme", made.key.id)
        assert (await client.get("/data")).status_code == 401


async def test_over_https_the_cookie_is_bound_to_the_host(store):
    async with client_of(store, https=True) as client:
        answer = await client.post("/login", data={"secret": key_of(store).secret})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-persona_session=")
        assert "Secure" in cookie
        assert "Domain" not in cookie
        assert (await client.get("/data")).status_code == 200


async def test_the_database_holds_no_token(store, now):
    async with client_of(store) as client:
        await client.post("/login", data={"secret": key_of(store).secret})
        token = client.cookies.get("persona_session")
    with store._database.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM session").all()
    assert len(rows) == 1
    assert token not in repr(rows)
    now[0] += timedelta(hours=2)
    store.sessions.begin(key_of(store).key, seconds=60)
    with store._database.read() as connection:
        assert len(connection.exec_driver_sql("SELECT * FROM session").all()) == 1

"""Headers, request ids and limits of bodies, around an app of any routes."""

from __future__ import annotations

import asyncio
import shutil

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from persona_engine import PersonaEngine
from persona_engine.errors import ConfigError
from persona_engine.server import ServerSettings, problems, security
from persona_engine.server.security import request_ids

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine(tmp_path, sqlite_template):
    with PersonaEngine(f"sqlite:///{shutil.copy(sqlite_template, tmp_path)}") as opened:
        yield opened


def app_of(engine, **settings):
    app = FastAPI()
    problems.install(app)

    async def size(request: Request) -> dict[str, object]:
        return {"size": len(await request.body()), "id": request_ids.current()}

    for path in ("/size", "/import", "/embed/question"):
        app.add_api_route(path, size, methods=["GET", "POST"])

    @app.get("/cached")
    def cached(response: Response) -> None:
        response.headers["Cache-Control"] = "max-age=60"

    @app.get("/broken")
    def broken() -> None:
        raise ValueError("a secret of the inside")

    security.install(app, ServerSettings(**settings), engine)
    return app


def client_of(engine, **settings):
    transport = httpx.ASGITransport(app_of(engine, **settings), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


@pytest.mark.parametrize("path", ["/size", "/nowhere", "/broken", "/cached"])
async def test_every_answer_has_the_headers(engine, path):
    async with client_of(engine) as client:
        headers = (await client.get(path)).headers
    policy = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == ("max-age=60" if path == "/cached" else "no-store")
    assert "Strict-Transport-Security" not in headers
    assert headers["X-Request-ID"]


async def test_https_is_kept_to(engine):
    async with client_of(engine, https=True) as client:
        assert "max-age=" in (await client.get("/size")).headers["Strict-Transport-Security"]


async def test_embedded_pages_may_be_framed_by_whom_the_settings_name(engine):
    async with client_of(engine, embed_origins=["https://chat.example"]) as client:
        framed = (await client.get("/embed/question")).headers
        other = (await client.get("/size")).headers
    assert "frame-ancestors https://chat.example" in framed["Content-Security-Policy"]
    assert "X-Frame-Options" not in framed
    assert "frame-ancestors 'none'" in other["Content-Security-Policy"]
    async with client_of(engine) as client:
        closed = (await client.get("/embed/question")).headers
    assert "frame-ancestors 'none'" in closed["Content-Security-Policy"]


@pytest.mark.parametrize("origin", ["*", "https://a.example; script-src *", "javascript:", "a.b"])
def test_what_is_no_origin(origin):
    with pytest.raises(ConfigError, match="embed_origins"):
        ServerSettings(embed_origins=[origin])


async def test_request_ids(engine):
    async with client_of(engine) as client:
        own = await client.get("/size", headers={"X-Request-ID": "web-7.f_1"})
        assert own.headers["X-Request-ID"] == own.json()["id"] == "web-7.f_1"
        for bad in ("", "a b", "a\tb", "x" * 65, "<script>", "é".encode()):
            made = await client.get("/size", headers={"X-Request-ID": bad})
            assert len(made.headers["X-Request-ID"]) == 32
        broken = await client.get("/nowhere", headers={"X-Request-ID": "lost"})
        assert broken.json()["request_id"] == "lost"
        ids = {(await client.get("/size")).headers["X-Request-ID"] for _ in range(5)}
    assert len(ids) == 5
    assert request_ids.current() is None


async def test_requests_at_once_keep_their_ids(engine):
    async with client_of(engine) as client:
        names = [f"r{n}" for n in range(20)]
        answers = await asyncio.gather(
            *(client.get("/size", headers={"X-Request-ID": each}) for each in names)
        )
    assert [each.json()["id"] for each in answers] == names


async def test_large_bodies_are_refused(engine):
    async with client_of(engine, most_body_bytes=2000) as client:
        assert (await client.post("/size", content=b"x" * 2000)).json()["size"] == 2000
        refused = await client.post("/size", content=b"x" * 2001)
        assert (refused.status_code, refused.json()["type"]) == (413, "too_large")
        assert "larger than 2,000 bytes" in refused.json()["message"]
        assert refused.headers["X-Request-ID"]
        assert refused.headers["Connection"] == "close"

        async def chunks():  # whoever tells no length
            for _ in range(100):
                yield b"x" * 1000

        assert (await client.post("/size", content=chunks())).status_code == 413


async def test_imports_may_be_larger_with_a_key(engine):
    secret = engine.store.api_keys.create("acme", label="k", scopes=["chat"]).secret
    key = {"Authorization": f"Bearer {secret}"}
    async with client_of(engine, most_body_bytes=2000, most_import_bytes=5000) as client:
        assert (await client.post("/import", content=b"x" * 2000)).status_code == 200
        assert (await client.post("/import", content=b"x" * 5000)).status_code == 401
        large = await client.post("/import", content=b"x" * 5000, headers=key)
        assert large.json()["size"] == 5000
        assert (await client.post("/import", content=b"x" * 5001, headers=key)).status_code == 413
        assert (await client.post("/size", content=b"x" * 2001, headers=key)).status_code == 413


async def test_slow_bodies_are_refused(engine):
    app = app_of(engine, body_seconds=0.05)
    sent = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/size",
        "raw_path": b"/size",
        "query_string": b"",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
    }

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    await asyncio.wait_for(app(scope, receive, send), 10)
    assert sent[0]["status"] == 408
    assert b"did not arrive within 0.05 seconds" in sent[1]["body"]


async def test_what_nobody_foresaw_tells_nothing(engine):
    async with client_of(engine) as client:
        answer = await client.get("/broken")
    assert answer.status_code == 500
    assert "inside" not in answer.text

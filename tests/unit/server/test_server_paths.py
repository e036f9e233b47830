"""Names with slashes in paths."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from persona_engine.server.paths import EncodedSlashes
from persona_engine.server.schemas.texts import PathName


@pytest.fixture(scope="module")
def client():
    app = FastAPI()

    @app.get("/users/{user}/things")
    async def things(user: PathName, asked: str = "") -> list[str]:
        return [user, asked]

    app.add_middleware(EncodedSlashes)
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("alice", "alice"),
        ("a%2Fb", "a/b"),
        ("a%2fb%20c", "a/b c"),
        ("%2F", "/"),
        ("%C3%A4", "ä"),
    ],
)
def test_an_encoded_slash_is_part_of_a_name(client, path, name):
    assert client.get(f"/users/{path}/things?asked=x%2Fy").json() == [name, "x/y"]


def test_a_plain_slash_parts_the_path(client):
    assert client.get("/users/a/b/things").status_code == 404


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/users/a%252Fb", "/users/a%2Fb"),
        (b"/users/a%2Fb%252Fc?x=%2F", "/users/a\x1fb%2Fc"),
        (b"/users/a", "/users/a"),
    ],
)
def test_what_is_encoded_twice_stays_as_it_is(raw, path):
    """Below the client of the tests, which decodes twice itself."""
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["path"])

    decoded = unquote(raw.partition(b"?")[0].decode())
    scope = {"type": "http", "raw_path": raw, "path": decoded}
    asyncio.run(EncodedSlashes(app)(scope, None, None))
    assert seen == [path]

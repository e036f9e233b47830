"""Idempotency keys on both databases: done once, told again to the same key alone."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Response
from fastapi.responses import StreamingResponse

from persona_engine import EngineConfig, PersonaEngine
from persona_engine.server import ServerSettings, problems, security
from persona_engine.server.security.keys import Caller, allowed
from persona_engine.store import Requested, StoredAnswer
from persona_engine.types import Scope

KEY = {"Idempotency-Key": "7c1b"}
pytestmark = pytest.mark.anyio


@pytest.fixture
def engine(store_url, now):
    with PersonaEngine(store_url, clock=lambda: now[0]) as opened:
        yield opened


class Counted:
    """Routes that count how often they are run."""

    def __init__(self, engine: PersonaEngine) -> None:
        self.runs = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.status = 201
        self.app = FastAPI()
        problems.install(self.app)
        admitted = Depends(allowed("feedback"))

        @self.app.post("/users/{user}/say")
        async def say(
            user: str, body: dict[str, Any], response: Response, caller: Caller = admitted
        ):
            self.runs += 1
            await self.gate.wait()
            response.status_code = self.status
            response.headers["Set-Cookie"] = "a=b"
            return {"run": self.runs, "user": user, "text": body["text"]}

        @self.app.post("/large")
        async def large(caller: Caller = admitted):
            self.runs += 1
            return Response(b"x" * (5 << 20))

        @self.app.post("/stream")
        async def stream(caller: Caller = admitted):
            self.runs += 1
            return StreamingResponse((f"{n}\n" for n in range(3)), media_type="text/event-stream")

        @self.app.post("/fail")
        async def fail(caller: Caller = admitted):
            self.runs += 1
            raise RuntimeError("the disk burns")

        security.install(self.app, ServerSettings(), engine)

    def client(self, secret: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {secret}"}
        return httpx.AsyncClient(transport=transport, base_url="http://a", headers=headers)


@pytest.fixture
async def counted(engine):
    made = Counted(engine)
    yield made
    await security.close(made.app)


def secret_of(engine, tenant="acme", scope="feedback"):
    return engine.store.api_keys.create(tenant, label="k", scopes=[scope]).secret


async def test_done_once_and_told_again(engine, counted):
    async with counted.client(secret_of(engine)) as client:
        first = await client.post("/users/alice/say", json={"text": "tea"}, headers=KEY)
        again = await client.post("/users/alice/say", json={"text": "tea"}, headers=KEY)
        assert (first.status_code, counted.runs) == (201, 1)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first.headers
        assert "Set-Cookie" not in again.headers
        other = {"Idempotency-Key": "8d2c"}
        await client.post("/users/alice/say", json={"text": "tea"}, headers=other)
        await client.post("/users/alice/say", json={"text": "tea"})
    assert counted.runs == 3
    await security.close(counted.app)
    trail = engine.store.tenant("acme").audit_events()
    assert [each.detail.get("replayed", False) for each in trail] == [False, True, False, False]


async def test_the_same_key_for_something_else(engine, counted):
    async with counted.client(secret_of(engine)) as client:
        await client.post("/users/alice/say", json={"text": "tea"}, headers=KEY)
        for path, text in (
            ("/users/alice/say", "coffee"),
            ("/users/bob/say", "tea"),
            ("/users/alice/say?x=1", "tea"),
        ):
            refused = await client.post(path, json={"text": text}, headers=KEY)
            assert refused.status_code == 422
            assert "was used for another request" in refused.json()["message"]
            assert "run" not in refused.json()
    assert counted.runs == 1


async def test_each_caller_has_keys_of_its_own(engine, counted):
    secrets = [secret_of(engine), secret_of(engine), secret_of(engine, "other")]
    for secret in secrets:
        async with counted.client(secret) as client:
            answer = await client.post("/users/alice/say", json={"text": "tea"}, headers=KEY)
            assert answer.status_code == 201
            assert "Idempotency-Replayed" not in answer.headers
    assert counted.runs == 3


async def test_strangers_and_keys_without_the_scope_are_told_nothing(engine, counted):
    async with counted.client(secret_of(engine)) as client:
        await client.post("/users/alice/say", json={"text": "tea"}, headers=KEY)
        wrong = {**KEY, "Authorization": "Bearer wrong"}
        answer = await client.post("/users/alice/say", json={"text": "tea"}, headers=wrong)
        assert answer.status_code == 401
    async with counted.client(secret_of(engine, scope="chat")) as client:
        answer = await client.post("/users/alice/say", json={"text": "tea"}, headers=KEY)
        assert answer.status_code == 403
    assert counted.runs == 1


async def test_twins_run_once(engine, counted):
    counted.gate.clear()
    async with counted.client(secret_of(engine)) as client:

        async def ask():
            return await client.post("/users/alice/say", json={"text": "tea"}, headers=KEY)

        twins = [asyncio.create_task(ask()) for _ in range(6)]
        done, _ = await asyncio.wait(twins, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 5:
            done, _ = await asyncio.wait(twins, timeout=1)
        assert {each.result().status_code for each in done} == {409}
        assert all(each.result().headers["Retry-After"] == "1" for each in done)
        counted.gate.set()
        (last,) = [each for each in twins if each not in done]
        assert (await last).status_code == 201
        assert (await ask()).content == (await last).content
    assert counted.runs == 1


async def test_what_failed_may_be_tried_again(engine, counted):
    async with counted.client(secret_of(engine)) as client:
        for runs in (1, 2):
            assert (await client.post("/fail", headers=KEY)).status_code == 500
            assert counted.runs == runs
        counted.status = 409
        assert (await client.post("/users/a/say", json={"text": "x"}, headers=KEY)).is_error
        assert (await client.post("/users/a/say", json=[], headers=KEY)).status_code == 422
        counted.status = 201
        answer = await client.post("/users/a/say", json={"text": "y"}, headers=KEY)
    assert answer.status_code == 201


async def test_streams_are_told_again(engine, counted):
    async with counted.client(secret_of(engine)) as client:
        first = await client.post("/stream", headers=KEY)
        again = await client.post("/stream", headers=KEY)
    assert first.text == again.text == "0\n1\n2\n"
    assert again.headers["content-type"].startswith("text/event-stream")
    assert counted.runs == 1


async def test_an_answer_too_large_to_keep(engine, counted):
    async with counted.client(secret_of(engine)) as client:
        assert len((await client.post("/large", headers=KEY)).content) == 5 << 20
        again = await client.post("/large", headers=KEY)
    assert again.status_code == 409
    assert "its answer was not kept" in again.json()["message"]
    assert counted.runs == 1


async def test_keys_expire(engine, counted, now):
    async with counted.client(secret_of(engine)) as client:
        await client.post("/users/alice/say", json={"text": "tea"}, headers=KEY)
        now[0] += timedelta(hours=23)
        await client.post("/users/alice/say", json={"text": "tea"}, headers=KEY)
        assert counted.runs == 1
        now[0] += timedelta(hours=2)
        await client.post("/users/alice/say", json={"text": "coffee"}, headers=KEY)
    assert counted.runs == 2


def test_a_run_that_died_is_left_to_others(engine, now):
    answers, asked = engine.store.idempotency, Requested("acme", "k", "7c1b", "0" * 64)
    dead = answers.claim(asked, seconds=600)
    assert (dead.state, answers.claim(asked, seconds=600).state) == ("mine", "running")
    now[0] += timedelta(minutes=10)
    again = answers.claim(asked, seconds=600)
    assert again.state == "mine"
    answers.finish(asked, dead.run, StoredAnswer(201, {}, b"late"), user=None, seconds=60)
    answers.abandon(asked, dead.run)  # the one that was thought dead takes nothing back
    assert answers.claim(asked, seconds=600).state == "running"
    answers.finish(asked, again.run, StoredAnswer(201, {"a": "b"}, b"done"), user=None, seconds=60)
    told = answers.claim(asked, seconds=600)
    assert (told.state, told.answer) == ("done", StoredAnswer(201, {"a": "b"}, b"done"))


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é".encode("latin-1")])
async def test_what_is_no_key(engine, counted, key):
    async with counted.client(secret_of(engine)) as client:
        refused = await client.post(
            "/users/a/say", json={"text": "x"}, headers={"Idempotency-Key": key}
        )
    assert refused.status_code == 422
    assert counted.runs == 0


async def test_forgetting_somebody_forgets_the_answers(engine, counted, tmp_path):
    async with counted.client(secret_of(engine)) as client:
        for user, key in (("alice", "k1"), ("bob", "k2")):
            engine.store.user(Scope("acme", user)).touch()
            await client.post(
                f"/users/{user}/say",
                json={"text": f"the secret of {user}"},
                headers={"Idempotency-Key": key},
            )
        rows = engine.store.user(Scope("acme", "alice")).forget().rows
        assert rows["idempotency"] == 1
    with engine.store._database.read() as connection:
        (left,) = connection.exec_driver_sql("SELECT key, body FROM idempotency").all()
    assert left[0] == "k2"
    if engine.store.dialect == "sqlite":
        engine.store.flush_log()
        file = engine.store._database.file
        copy = Path(shutil.copy(file, tmp_path / "copy.db"))
        assert b"the secret of alice" not in copy.read_bytes()
        assert b"the secret of bob" in copy.read_bytes()


async def test_what_must_not_be_kept_is_not_kept_here_either(store_url):
    config = EngineConfig(database=store_url, redactors=["personal_data"])
    with PersonaEngine(config=config) as engine:
        counted = Counted(engine)
        async with counted.client(secret_of(engine)) as client:
            asked = {"json": {"text": "Write to ada@example.org"}, "headers": KEY}
            first = await client.post("/users/alice/say", **asked)
            again = await client.post("/users/alice/say", **asked)
        with engine.store._database.read() as connection:
            kept = repr(connection.exec_driver_sql("SELECT * FROM idempotency").all())
    assert first.json()["text"] == "Write to ada@example.org"
    assert again.json() == {**first.json(), "text": "Write to [e-mail]"}
    assert "ada@example.org" not in kept
    assert counted.runs == 1

"""Logs of a real Uvicorn and of the app: neither secrets nor what people write."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import shutil
import socket

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request

from persona_engine.errors import InvalidInputError
from persona_engine.server import ServerSettings, problems, security
from persona_engine.server.security import request_ids
from persona_engine.server.security.log_redaction import LogRedaction
from persona_engine.store import Store

SECRET = "persona_0123456789abcdef_" + "Zx9-" * 10 + "abc"
TEXT = 'My divorce from "Bernd" costs\nme €9,000 and my sleep, since you ask me about it today.'


@pytest.fixture
def logs():
    """Whatever any logger of this process writes, as a server's handler would."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(request_ids.RequestIdFilter())
    handler.addFilter(LogRedaction())
    handler.setFormatter(logging.Formatter("%(name)s [%(request_id)s] %(message)s"))
    root = logging.getLogger()
    level, quiet = root.level, logging.getLogger("uvicorn").level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)
    logging.getLogger("uvicorn").setLevel(quiet)


def logged(logs, message, *args, **settings):
    logging.getLogger("persona_engine.test").error(message, *args, **settings)
    return logs.getvalue()


@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        f"Authorization: Bearer {SECRET}",
        "Bearer abcdef0123456789",
        "{'authorization': 'Basic dXNlcjpwYXNz'}",
        "Cookie: persona_session=abcdefghijkl",
        "__Host-persona_session=abcdefghijkl",
        "https://host/embed/onboarding#token=eyJhbGciOi.abcdefghi",
        "postgresql://persona:hunter22@db/persona",
        "sk-proj-abcdefghijklmnop1234",
        "hf_abcdefghijklmnopqrst",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
        "api_key=abcdefgh12345678",
        "password: 'correct-horse'",
    ],
)
def test_secrets_are_taken_out(logs, secret):
    hidden = "hunter22" if "hunter22" in secret else secret[-8:].strip("'}")
    assert hidden not in logged(logs, f"before {secret} after")
    assert hidden not in logged(logs, "%s", secret)
    assert "[redacted]" in logs.getvalue()


def test_lines_that_hold_none_stay(logs):
    line = logged(
        logs, "%s %s took %.1f ms: %d rows of %s", "GET", "/api/v1/users/alice", 1.25, 3, "acme"
    )
    assert line.endswith("GET /api/v1/users/alice took 1.2 ms: 3 rows of acme\n")
    assert "the token and the secret of success" in logged(
        logs, "the token and the secret of success"
    )


def test_arguments_that_may_be_texts_are_left_out(logs):
    line = logged(logs, "heard %s and %s", TEXT, [TEXT])
    assert f"heard [text of {len(TEXT)} characters] and [list]" in line
    assert "heard %d" in logged(logs, "heard %d", TEXT)  # a line that does not fit still passes
    assert "divorce" not in logs.getvalue()


def test_errors_are_told_by_class_and_stack(logs):
    def inner():
        raise InvalidInputError(f"prompt is {TEXT!r}")

    try:
        try:
            inner()
        except InvalidInputError as error:
            raise ExceptionGroup(TEXT, [ValueError(TEXT), KeyError(TEXT)]) from error
    except ExceptionGroup as error:
        error.add_note(TEXT)
        line = logged(logs, "failed", exc_info=error)
    assert "divorce" not in line
    for told in ("InvalidInputError", "ExceptionGroup", "ValueError", "KeyError", "in inner"):
        assert told in line


def test_a_record_is_redacted_once_for_all_handlers(logs):
    record = logging.makeLogRecord({"msg": "%s", "args": (SECRET,)})
    assert LogRedaction().filter(record)
    first = record.getMessage()
    assert LogRedaction().filter(record)
    assert record.getMessage() == first
    assert SECRET not in first


def app_of(store_engine):
    app = FastAPI()
    problems.install(app)
    log = logging.getLogger("persona_engine.test")

    @app.post("/say")
    async def say(request: Request) -> str:
        body = await request.json()
        text = body["messages"][0]["content"]
        log.info("said %s", text)
        log.warning(f"as it is: {text}")  # as a library would
        log.warning(f"quoted: {text!r}, cut: {text[:60]}...")
        log.error("could not: %s", ValueError(text))
        log.info("by %s", request.headers["Authorization"])
        log.info(f"headers {dict(request.headers)}")
        raise RuntimeError(text)

    @app.post("/late")
    async def late(request: Request) -> str:
        text = (await request.json())["messages"][0]["content"]

        async def fails() -> None:
            raise RuntimeError(text)

        task = asyncio.create_task(fails())
        await asyncio.wait([task])
        del task
        return "ok"

    security.install(app, ServerSettings(), store_engine)
    return app


class OnlyStore:
    """What protection asks of an engine."""

    def __init__(self, store: Store) -> None:
        self.store = store


def test_a_real_server_logs_nothing_of_them(logs, tmp_path, sqlite_template):

    async def work(store):
        app = app_of(OnlyStore(store))

        async def bare(scope, receive, send):  # an app whose errors reach Uvicorn itself
            if scope["type"] == "http" and scope["path"] == "/bare":
                message = await receive()
                raise RuntimeError(message["body"].decode())
            await app(scope, receive, send)

        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(bare, log_config=None, access_log=True, lifespan="off")
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        headers = {"Authorization": f"Bearer {SECRET}", "X-Request-ID": "r-77"}
        body = {"messages": [{"role": "user", "content": TEXT}]}
        async with httpx.AsyncClient(base_url=base, timeout=60) as client:
            for path in ("/say", "/late", "/bare", f"/say?secret={SECRET}"):
                await client.post(path, json=body, headers=headers)
        server.should_exit = True
        await serving

        gc.collect()  # tells of errors that nobody looked at

    with Store(f"sqlite:///{shutil.copy(sqlite_template, tmp_path)}") as store:
        asyncio.run(work(store))
    told = logs.getvalue()
    for part in ("divorce", "Bernd", "9,000", "sleep", SECRET[30:], "Zx9-"):
        assert part not in told, part
    for kept in (
        "Exception in ASGI application",
        "Task exception was never retrieved",
        "RuntimeError",
        "persona_engine.test [r-77] said [text of",
        "POST /say failed",
        '"POST /say HTTP/1.1" 500',
        "Started server process",
    ):
        assert kept in told, kept

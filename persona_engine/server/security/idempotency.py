"""Requests that carry an `Idempotency-Key`: done once, and answered alike when repeated.

After the IETF's draft "The Idempotency-Key HTTP Header Field": the same key with other content is
answered with 422, a twin of a request that still runs with 409. The answer is kept for the key of
the caller alone. What was refused or failed was not done, and may be tried again with the same key.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from typing import Annotated

from fastapi import Header, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from persona_engine.errors import PersonaError
from persona_engine.server.problems import Problem, RefusedError
from persona_engine.server.security.audit import user_of
from persona_engine.server.security.keys import Caller, admit, caller_of
from persona_engine.server.security.refusing import REFUSALS, refuse
from persona_engine.store import (
    Idempotency,
    Redact,
    Requested,
    Store,
    StoredAnswer,
    as_it_is,
    redacted,
)

HEADER = "Idempotency-Key"

_FORM = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT = ("content-type", "content-length", "location")
_LARGEST = 4 << 20
_LONGEST_RUN = 600.0
_NOT_A_KEY = Problem(
    422,
    "invalid_input",
    f"{HEADER} is no key: expected 1 to 255 visible ASCII characters",
    "send a new UUID for each thing to be done",
    param=HEADER,
)
_RUNNING = Problem(
    409,
    "conflict",
    f"a request with this {HEADER} still runs",
    "try again in a moment",
    headers=(("Retry-After", "1"),),
)
_OTHER = Problem(
    422,
    "invalid_input",
    f"this {HEADER} was used for another request",
    "send a new one for each thing to be done",
    param=HEADER,
)
_TOO_LARGE = Problem(
    409,
    "conflict",
    "this was done already; its answer was not kept",
    "do not repeat it",
)


class Idempotent:
    """ASGI middleware that answers a repeated POST with what it was answered with before.

    Args:
        app: What answers; it must be able to read the request's body again.
        store: Where answers are kept.
        seconds: How long.
    """

    def __init__(self, app: ASGIApp, *, store: Store, seconds: float) -> None:
        self._app = app
        self._answers: Idempotency = store.idempotency
        self._redact = store.redact
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        key = Headers(scope=scope).get(HEADER) if scope["type"] == "http" else None
        if key is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            caller = await caller_of(Request(scope))
            if caller is None:
                await self._app(scope, receive, send)  # which refuses strangers
                return
            await admit(Request(scope), caller)
            message = await receive()
            asked = _requested(scope, caller, key, message.get("body", b""))
            claim = await run_in_threadpool(self._answers.claim, asked, seconds=_LONGEST_RUN)
            if claim.state == "mine":
                run = _Run(self._answers, asked, claim.run, self._seconds, self._redact)
                await run.answer(self._app, scope, _again(message, receive), send)
                return
            await _replay(scope, receive, send, _told(claim.state, claim.answer))
        except REFUSALS as error:
            await refuse(scope, receive, send, error)


class _Run:
    """One doing of a request, whose answer is kept as it is sent."""

    def __init__(
        self,
        answers: Idempotency,
        asked: Requested,
        run: str,
        seconds: float,
        redact: Redact,
    ) -> None:
        self._answers = answers
        self._asked = asked
        self._run = run
        self._seconds = seconds
        self._redact = redact
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._settled = False

    async def answer(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the request answered; whatever becomes of it, the key is settled then."""

        async def keeping(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = Headers(raw=message["headers"])
                self._status = message["status"]
                self._headers = {name: headers[name] for name in _KEPT if name in headers}
            elif message["type"] == "http.response.body":
                self._body += message.get("body", b"")[: _LARGEST + 1 - len(self._body)]
                if not message.get("more_body", False):
                    await self._settle(scope)  # kept before the client knows that it is done
            await send(message)

        try:
            await app(scope, receive, keeping)
        finally:
            await asyncio.shield(self._settle(scope, unfinished=True))

    async def _settle(self, scope: Scope, *, unfinished: bool = False) -> None:
        if self._settled:
            return
        self._settled = True
        if unfinished or not 200 <= self._status < 300:
            await run_in_threadpool(self._answers.abandon, self._asked, self._run)
            return
        body = bytes(self._body) if len(self._body) <= _LARGEST else None
        body = _storable(body, self._headers, self._redact)
        await run_in_threadpool(
            self._answers.finish,
            self._asked,
            self._run,
            StoredAnswer(self._status, self._headers, body),
            user=user_of(scope),
            seconds=self._seconds,
        )


async def own_key(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias=HEADER,
            max_length=255,
            description="A repeated call with the same key and content is answered as the first.",
        ),
    ] = None,
) -> str | None:
    """Return the key under which the engine knows what is to be done, the caller's own; or None.

    With it not even a process that dies between doing and telling has anything done twice.
    """
    caller = await caller_of(request)
    if key is None or caller is None:
        return None
    return hashlib.sha256(f"{caller.key_id}\0{key}".encode()).hexdigest()


def _requested(scope: Scope, caller: Caller, key: str, body: bytes) -> Requested:
    if not _FORM.fullmatch(key):
        raise RefusedError(_NOT_A_KEY)
    content_type = Headers(scope=scope).get("content-type", "")
    parts = (scope["path"].encode(), scope.get("query_string", b""), content_type.encode(), body)
    content = hashlib.sha256()
    for part in parts:
        content.update(len(part).to_bytes(8, "big") + part)
    return Requested(caller.tenant, caller.key_id, key, content.hexdigest())


def _told(state: str, answer: StoredAnswer | None) -> StoredAnswer:
    if state == "running":
        raise RefusedError(_RUNNING)
    if answer is None:
        raise RefusedError(_OTHER)
    if answer.body is None:
        raise RefusedError(_TOO_LARGE)
    return answer


def _storable(body: bytes | None, headers: dict[str, str], redact: Redact) -> bytes | None:
    """Return a body as it may be stored: redacted JSON; where texts are redacted, nothing else."""
    if body is None or redact is as_it_is:
        return body
    try:
        kept = redacted.document({"text": json.loads(body)}, redact)["text"]
    except (ValueError, PersonaError):
        return None
    headers.pop("content-length", None)
    return json.dumps(kept, ensure_ascii=False).encode()


async def _replay(scope: Scope, receive: Receive, send: Send, answer: StoredAnswer) -> None:
    scope.setdefault("state", {})["replayed"] = True
    headers = {**answer.headers, "Idempotency-Replayed": "true"}
    await Response(answer.body, answer.status, headers)(scope, receive, send)


def _again(message: Message, receive: Receive) -> Receive:
    waiting = [message]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay

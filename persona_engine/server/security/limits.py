"""Limits of a request's body: its size, and the time in which it must arrive."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from persona_engine.server.problems import Problem, RefusedError
from persona_engine.server.security.keys import UNKNOWN, caller_of
from persona_engine.server.security.log_redaction import body_of_request
from persona_engine.server.security.refusing import REFUSALS, refuse

_IMPORT = "/import"
_CLOSE = (("Connection", "close"),)  # what was not read is not wanted either


class BodyLimit:
    """ASGI middleware that reads a request's body within limits, before anything else does.

    Args:
        app: What answers.
        most: Bytes of a body.
        most_imported: Bytes of a body for a path that ends with ``/import``; beyond ``most`` only
            with a valid key, lest strangers fill the memory.
        seconds: Time in which a body must arrive.
    """

    def __init__(self, app: ASGIApp, *, most: int, most_imported: int, seconds: float) -> None:
        self._app = app
        self._most = most
        self._most_imported = max(most, most_imported)
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
        except REFUSALS as error:
            await refuse(scope, receive, send, error)
            return
        if body is None:
            return
        token = body_of_request.set(body)
        try:
            await self._app(scope, _replayed(body, receive), send)
        finally:
            body_of_request.reset(token)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the body, or None when the client left."""
        most = await self._limit(scope)
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdecimal() and int(length) > most:
            raise RefusedError(_too_large(most))
        parts = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    parts += message.get("body", b"")
                    if len(parts) > most:
                        raise RefusedError(_too_large(most))
                    if not message.get("more_body", False):
                        return bytes(parts)
        except TimeoutError:
            raise RefusedError(_too_slow(self._seconds)) from None

    async def _limit(self, scope: Scope) -> int:
        length = Headers(scope=scope).get("content-length", "")
        small = length.isdecimal() and int(length) <= self._most
        if small or not scope["path"].endswith(_IMPORT):
            return self._most
        if await caller_of(Request(scope)) is None:
            raise RefusedError(UNKNOWN)
        return self._most_imported


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives the body that was read, and then what else happens."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _too_large(most: int) -> Problem:
    return Problem(
        413,
        "too_large",
        f"the body is larger than {most:,} bytes",
        "send less at a time",
        headers=_CLOSE,
    )


def _too_slow(seconds: float) -> Problem:
    message = f"the body did not arrive within {seconds:g} seconds"
    return Problem(408, "timeout", message, "send it again", headers=_CLOSE)

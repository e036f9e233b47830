"""The audit trail of requests: which key did what to whose data, and what came of it.

An event has the route's pattern, never the path, and of the person the sha256 of the name. What
takes data away, exports and deletions, is on the disk before its answer leaves; the rest follows
within moments, many events in one transaction, so that nobody waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as AnyRequest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from persona_engine.errors import StoreError
from persona_engine.server.paths import decoded
from persona_engine.server.security.keys import Caller
from persona_engine.server.security.refusing import refuse
from persona_engine.store import NewAuditEvent, Store

logger = logging.getLogger("persona_engine.server")

Action = Literal["read", "write", "export", "delete"]

_ON_DISK_FIRST = frozenset(("export", "delete"))
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
_BATCH = 500
_ATTEMPTS = 3


class AuditTrail:
    """Writes events, those that wait together in one transaction.

    Args:
        store: Where the trails are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[NewAuditEvent, asyncio.Future[None] | None]] = []
        self._writing: asyncio.Task[None] | None = None

    def note(self, event: NewAuditEvent) -> None:
        """Have an event written soon."""
        self._add(event, None)

    async def write(self, event: NewAuditEvent) -> None:
        """Write an event; it is on the disk when this returns.

        Raises:
            StoreError: The database refused.
        """
        done = asyncio.get_running_loop().create_future()
        self._add(event, done)
        await done

    async def drained(self) -> None:
        """Wait until every event is written."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])

    def _add(self, event: NewAuditEvent, done: asyncio.Future[None] | None) -> None:
        self._waiting.append((event, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            error = await self._written([event for event, _ in batch])
            for _, done in batch:
                if done is None or done.done():
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)

    async def _written(self, events: list[NewAuditEvent]) -> StoreError | None:
        failed: StoreError | None = None
        for attempt in range(_ATTEMPTS):
            try:
                await run_in_threadpool(self._store.audit, events)
            except StoreError as error:
                failed = error
                await asyncio.sleep(0.1 * 2**attempt)
            else:
                return None
        logger.error("%d audit events could not be written", len(events), exc_info=failed)
        return failed


class AuditRequests:
    """ASGI middleware that tells the trail of every request that showed a key.

    Args:
        app: What answers.
        trail: Is told.
    """

    def __init__(self, app: ASGIApp, *, trail: AuditTrail) -> None:
        self._app = app
        self._trail = trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = False

        async def telling(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                try:
                    await self._tell(scope, message["status"])
                except StoreError as error:  # what cannot be told of does not leave
                    refused = True
                    await refuse(scope, receive, send, error)
            if not refused:
                await send(message)

        await self._app(scope, receive, telling)

    async def _tell(self, scope: Scope, status: int) -> None:
        event = _event(scope, status)
        if event is None:
            return
        if event.action in _ON_DISK_FIRST and status < 400:
            await self._trail.write(event)
        else:
            self._trail.note(event)


def audited(action: Action) -> Callable[[Request], Awaitable[None]]:
    """Return the dependency of routes whose method and path do not say what they do.

    Without it a GET reads, a DELETE deletes, a path that ends with ``/export`` exports, and
    everything else writes.
    """

    async def say(request: Request) -> None:
        request.state.audit_action = action

    return say


def about(request: Request, user: str | None) -> None:
    """Say whom a request is about, where its path does not (the parameter ``user``)."""
    request.state.about = user


def user_of(scope: Scope) -> str | None:
    """Return whom a request is about, or None where it is about no single person."""
    state = scope.get("state", {})
    if "about" in state:
        told: str | None = state["about"]
        return told
    named = scope.get("path_params", {}).get("user")
    found = named if named is not None else AnyRequest(scope).query_params.get("user")
    return None if found is None else decoded(str(found))


def _event(scope: Scope, status: int) -> NewAuditEvent | None:
    state = scope.get("state", {})
    caller: Caller | None = state.get("caller")
    route = getattr(scope.get("route"), "path", None)
    replayed = "replayed" in state
    if caller is None or not (replayed or (route and state.get("admitted"))):
        return None
    method = scope["method"]
    detail = {"method": method, "route": route, "status": status}
    return NewAuditEvent(
        caller.tenant,
        user_of(scope),
        "read" if replayed else state.get("audit_action", _action(method, route)),
        {**detail, "replayed": True} if replayed else detail,
        actor=caller.key_id,
        request=state.get("request_id"),
    )


def _action(method: str, route: str | None) -> Action:
    if method == "DELETE":
        return "delete"
    if (route or "").endswith("/export"):
        return "export"
    return "read" if method in _SAFE else "write"

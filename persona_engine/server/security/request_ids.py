"""An id for each request: the client's own where it can be one, else a new one."""

from __future__ import annotations

import logging
import re
import uuid
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-ID"

_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def current() -> str | None:
    """Return the id of the request that is being answered here, or None outside of any."""
    return _current.get()


class RequestIds:
    """ASGI middleware that gives each request an id and sends it back.

    Logs have it as ``record.request_id``, the audit trail as ``request``, errors in their body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get(HEADER, "")
        id_ = sent if _FORM.fullmatch(sent) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = id_

        async def naming(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = id_
            await send(message)

        token = _current.set(id_)
        try:
            await self._app(scope, receive, naming)
        finally:
            _current.reset(token)


class RequestIdFilter(logging.Filter):
    """Gives every record the id of its request, ``-`` outside of any."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set ``record.request_id``."""
        record.request_id = current() or "-"
        return True

"""Times and traces requests, around everything else that the server does."""

from __future__ import annotations

import time
from contextlib import ExitStack

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from persona_engine.server.observe.metrics import Metrics
from persona_engine.server.observe.traces import Traces, answered

UNMATCHED = "unmatched"
PAGE = "/metrics"


class WatchRequests:
    """ASGI middleware that tells of each request by its path's pattern: never the path itself.

    Args:
        app: What answers.
        metrics: Are told, or None.
        traces: Are told, or None.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics | None, traces: Traces | None) -> None:
        self._app = app
        self._metrics = metrics
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"] == PAGE:
            await self._app(scope, receive, send)
            return
        status = 500  # of what ends without a response

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started, method = time.perf_counter(), scope["method"]
        with ExitStack() as running:
            if self._metrics is not None:
                running.enter_context(self._metrics.request())
            span = None
            if self._traces is not None:
                headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
                span = running.enter_context(self._traces.request(headers, method))
            try:
                await self._app(scope, receive, noting)
            finally:
                route = _pattern(scope)
                if self._metrics is not None:
                    seconds = time.perf_counter() - started
                    self._metrics.answered(method, route or UNMATCHED, status, seconds)
                if span is not None:
                    answered(span, method, route, status)


def _pattern(scope: Scope) -> str | None:
    """Return the pattern of the path that was asked for; there are as many as routes."""
    return getattr(scope.get("route"), "path", None) or None

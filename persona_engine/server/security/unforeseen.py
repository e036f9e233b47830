"""Errors that nobody foresaw: answered within the middleware, so that headers and ids are there."""

from __future__ import annotations

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from persona_engine.server.security.refusing import refuse

logger = logging.getLogger("persona_engine.server")


class Unforeseen:
    """ASGI middleware that logs what a route failed with, and answers without telling of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if started:
                raise
            logger.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
            await refuse(scope, receive, send, error)

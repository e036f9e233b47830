"""Headers that tell browsers what a page of this server may do: next to nothing."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

EMBEDDED = "/embed"
"""Pages under this path may stand in frames of the origins that the settings name."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors {ancestors}"
)
_NOBODY = "'none'"
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    # With "no-referrer" browsers hide the origin of forms and requests from ourselves, too.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_TWO_YEARS = "max-age=63072000"


class SecurityHeaders:
    """ASGI middleware that sets the headers of every answer.

    Scripts, styles, pictures and requests come from this server only, nothing is inline, nobody
    frames a page but the embedded ones, and nothing is kept by caches unless its route says so.

    Args:
        app: What answers.
        https: Whether browsers reach the server by https; they are told to keep to it.
        embedded_by: Origins whose pages may frame the embedded ones.
    """

    def __init__(self, app: ASGIApp, *, https: bool, embedded_by: Sequence[str]) -> None:
        self._app = app
        self._https = https
        self._embedded_by = " ".join(embedded_by)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        embedded = path == EMBEDDED or path.startswith(f"{EMBEDDED}/")

        async def guarding(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._set(MutableHeaders(scope=message), embedded=embedded)
            await send(message)

        await self._app(scope, receive, guarding)

    def _set(self, headers: MutableHeaders, *, embedded: bool) -> None:
        for name, value in _ALWAYS.items():
            headers[name] = value
        ancestors = self._embedded_by if embedded and self._embedded_by else _NOBODY
        headers["Content-Security-Policy"] = _POLICY.format(ancestors=ancestors)
        if ancestors == _NOBODY:
            headers["X-Frame-Options"] = "DENY"
        if self._https:
            headers["Strict-Transport-Security"] = _TWO_YEARS
        headers.setdefault("Cache-Control", "no-store")

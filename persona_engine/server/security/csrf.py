"""Requests that a browser sends by itself: whether one of our own pages asked for them.

A session's cookie is same-site strict, so no other site's page can send it. Another origin of the
same site can: what changes something must also carry a token that only our pages can read.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from fastapi import Request
from starlette.requests import HTTPConnection

from persona_engine.server.problems import Problem, RefusedError

HEADER = "X-CSRF-Token"
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
_FOREIGN = Problem(
    403,
    "forbidden",
    "the request does not come from a page of this server",
    f"send the page's token as {HEADER}; programs send a key instead of a cookie",
)


def token_of(session: str) -> str:
    """Return the token of a session's pages: tied to the session, and tells nothing of it.

    Examples:
        >>> token_of("a") == token_of("a") != token_of("b")
        True
    """
    return hmac.new(session.encode(), b"csrf", hashlib.sha256).hexdigest()


def check(request: HTTPConnection, session: str) -> None:
    """Raise `RefusedError` unless a request of a session is safe or carries its token."""
    if request.scope.get("method", "GET") in _SAFE:
        return
    sent = request.headers.get(HEADER, "").encode()
    if not _from_here(request) or not hmac.compare_digest(sent, token_of(session).encode()):
        raise RefusedError(_FOREIGN)


def from_own_page(request: Request) -> None:
    """Raise `RefusedError` for what a page of another origin sent; a dependency of forms.

    It guards the form that begins a session, where there is no token yet. Programs name no origin.
    """
    if not _from_here(request):
        raise RefusedError(_FOREIGN)


def _from_here(request: HTTPConnection) -> bool:
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("Host")

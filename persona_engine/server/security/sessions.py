"""Sessions of the console: logging in with a key, logging out, and who a session's cookie is."""

from __future__ import annotations

from fastapi import Request, Response
from starlette.requests import HTTPConnection

from persona_engine.server.security import csrf
from persona_engine.store import ApiKey, Store

COOKIE = "persona_session"
SECURE_COOKIE = "__Host-persona_session"
"""Where clients use https: browsers take a cookie of this name from this very host only."""


class ConsoleSessions:
    """Makes sessions from keys; their tokens live in cookies that no script and no site reads.

    Args:
        store: Where sessions are kept; one is over as soon as its key is.
        seconds: How long one lasts.
        https: Whether browsers reach the server by https.
    """

    def __init__(self, store: Store, *, seconds: float, https: bool) -> None:
        self._store = store
        self._seconds = seconds
        self._https = https
        self._cookie = SECURE_COOKIE if https else COOKIE

    def log_in(self, response: Response, secret: str) -> ApiKey | None:
        """Begin a session of a key and set its cookie; return None for a secret of no live key.

        It reads and writes the database. The route must ask for `csrf.from_own_page`, lest others
        log somebody in as themselves.
        """
        key = self._store.api_keys.find(secret)
        if key is None:
            return None
        token = self._store.sessions.begin(key, seconds=self._seconds)
        response.set_cookie(
            self._cookie,
            token,
            max_age=int(self._seconds),
            path="/",
            secure=self._https,
            httponly=True,
            samesite="strict",
        )
        return key

    def log_out(self, request: Request, response: Response) -> None:
        """End the session of a request, if it has one, and take back its cookie."""
        token = self.token(request)
        if token is not None:
            self._store.sessions.end(token)
        response.delete_cookie(
            self._cookie, path="/", secure=self._https, httponly=True, samesite="strict"
        )

    def token(self, request: HTTPConnection) -> str | None:
        """Return the token in a request's cookie."""
        return request.cookies.get(self._cookie)

    def csrf_token(self, request: HTTPConnection) -> str:
        """Return what the session's pages send as `X-CSRF-Token`; nothing where there is none."""
        token = self.token(request)
        return "" if token is None else csrf.token_of(token)

    def key(self, request: HTTPConnection) -> ApiKey | None:
        """Return the key of a request's session; it reads the database.

        Raises:
            RefusedError: The request changes something and is not from a page of the console.
        """
        token = self.token(request)
        found = None if token is None else self._store.sessions.find(token)
        if found is not None and token is not None:
            csrf.check(request, token)
        return found

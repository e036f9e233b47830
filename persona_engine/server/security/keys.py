"""Who calls: the tenant and the scopes of the key, or of the console's session, of a request."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from persona_engine.errors import StoreError
from persona_engine.server.problems import Problem, RefusedError
from persona_engine.server.security.loopback import from_loopback
from persona_engine.server.security.rates import RateLimits
from persona_engine.server.security.sessions import ConsoleSessions
from persona_engine.store import KEY_SCOPES, ApiKey, ApiKeys, KeyScope, Store

logger = logging.getLogger("persona_engine.server")

Scope = KeyScope
"""``chat`` makes replies, ``feedback`` says what was liked, ``admin`` includes both."""

OPEN_KEY = "insecure-loopback"
"""What stands for a key where a loopback server needs none."""

UNKNOWN = Problem(
    401,
    "unauthenticated",
    "no key, or none that is valid",
    "send `Authorization: Bearer KEY` with a key of `persona keys create`",
    headers=(("WWW-Authenticate", "Bearer"),),
)
"""The same for no key, an unknown, an expired and a revoked one."""

_FOREIGN = Problem(
    403,
    "forbidden",
    "this server needs no key, so it answers nobody but programs and pages of this machine",
    "call it by its loopback address, or start it without --insecure-loopback",
)
_BEARER = HTTPBearer(
    scheme_name="key", description="A key of `persona keys create`.", auto_error=False
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Args:
        tenant: Whose data the request may see; whatever it names is looked up in there.
        key_id: The key, for rates, stored answers and the audit trail.
        scopes: What the key may do.
        per_minute: Requests per minute of this key, or None for the server's own limit.
    """

    tenant: str
    key_id: str
    scopes: frozenset[Scope]
    per_minute: int | None = None

    def may(self, scope: Scope) -> bool:
        """Return whether the key has the scope, or ``admin``."""
        return scope in self.scopes or "admin" in self.scopes


class Keys:
    """Finds who calls.

    Args:
        store: Where the keys are; read at each request, so that a revoked one stops at once.
        sessions: Of the console, whose cookies stand for keys; None where there are none.
        rates: How many requests a key may make; None for as many as it likes.
        open_to_loopback: Whether requests of this machine need no key.
    """

    def __init__(
        self,
        store: Store,
        *,
        sessions: ConsoleSessions | None = None,
        rates: RateLimits | None = None,
        open_to_loopback: bool = False,
    ) -> None:
        self._keys: ApiKeys = store.api_keys
        self._sessions = sessions
        self._rates = rates
        self._open = open_to_loopback

    def caller(self, request: HTTPConnection) -> Caller | None:
        """Return who calls, or None for a stranger; it reads the database.

        Raises:
            RefusedError: The server needs no key, and this does not come from its machine; or it
                has a session, and does not come from a page of the console.
        """
        header = request.headers.get("Authorization")
        if header is None:
            session = None if self._sessions is None else self._sessions.key(request)
            return self._without_key(request) if session is None else self._used(session)
        scheme, secret = get_authorization_scheme_param(header)
        key = self._keys.find(secret if scheme.lower() == "bearer" else "")
        return None if key is None else self._used(key)

    async def count(self, caller: Caller) -> None:
        """Count a request of a key.

        Raises:
            RefusedError: There were too many.
        """
        if self._rates is not None:
            await self._rates.take(caller)

    def _without_key(self, request: HTTPConnection) -> Caller | None:
        if not self._open:
            return None
        if not from_loopback(request):
            raise RefusedError(_FOREIGN)
        return Caller("default", OPEN_KEY, frozenset(KEY_SCOPES))

    def _used(self, key: ApiKey) -> Caller:
        try:
            self._keys.touch(key)
        except StoreError:
            logger.warning("when key %s was last used could not be written", key.id)
        return Caller(key.tenant, key.id, key.scopes, key.per_minute)


def allowed(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """Return the dependency of routes that need a scope; it gives who calls.

    It answers 401 to whom has no valid key, 429 to whom asks too often, and 403 to whom lacks the
    scope.

    Examples:
        >>> from typing import Annotated
        >>> from fastapi import APIRouter, Depends
        >>> router = APIRouter()
        >>> @router.get("/v1/tenant")
        ... def tenant(caller: Annotated[Caller, Depends(allowed("chat"))]) -> str:
        ...     return caller.tenant
    """

    async def caller(request: Request, _: Annotated[object, Security(_BEARER)]) -> Caller:
        found = await caller_of(request)
        if found is None:
            raise RefusedError(UNKNOWN)
        await admit(request, found)
        if not found.may(scope):
            raise RefusedError(_lacks(scope))
        return found

    return caller


async def caller_of(request: HTTPConnection) -> Caller | None:
    """Return who calls, found once for each request, or None for a stranger."""
    if not hasattr(request.state, "caller"):
        keys: Keys = request.app.state.keys
        request.state.caller = await run_in_threadpool(keys.caller, request)
    found: Caller | None = request.state.caller
    return found


async def admit(request: HTTPConnection, caller: Caller) -> None:
    """Count a request of a key, once.

    Raises:
        RefusedError: There were too many.
    """
    if not getattr(request.state, "admitted", False):
        request.state.admitted = True
        await request.app.state.keys.count(caller)


def _lacks(scope: Scope) -> Problem:
    return Problem(
        403,
        "forbidden",
        f"the key lacks the scope {scope!r}",
        f"make one with `persona keys create --scope {scope}`",
    )

"""Whose data a caller may reach, and what they may do, by the key that they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import anyio.to_thread
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken

from persona_engine.errors import ConfigError
from persona_engine.store import ApiKey, ApiKeys


@dataclass(frozen=True, slots=True)
class Access:
    """What a key opens.

    Args:
        tenant: Whose users.
        key: The key's id, for the audit trail.
        scopes: What may be done: ``chat``, ``feedback`` or ``admin``, which includes the others.
        per_minute: How many calls the key may make a minute; None for the server's own limit.
    """

    tenant: str
    key: str
    scopes: frozenset[str]
    per_minute: int | None

    def allows(self, scope: str) -> bool:
        """Say whether something may be done."""
        return scope in self.scopes or "admin" in self.scopes


class Accesses(Protocol):
    """Finds who calls, anew for every call: a revoked key stops at once."""

    def current(self) -> Access | None:
        """Return what the caller of this moment may do, or None for nothing at all."""


class OneKey:
    """The key of a process that serves one caller.

    Args:
        keys: The keys of the database.
        secret: The key's secret.

    Raises:
        ConfigError: There is no such key, or it has expired or been revoked.
    """

    def __init__(self, keys: ApiKeys, secret: str) -> None:
        self._keys = keys
        self._secret = secret
        if self.current() is None:
            raise ConfigError(
                "PERSONA_KEY is no key of this database, or one that has expired or been revoked",
                remedy="make one with `persona keys create`, and set PERSONA_KEY to its secret",
            )

    def current(self) -> Access | None:
        """Return what the key opens, while it does."""
        key = self._keys.find(self._secret)
        return None if key is None else _access(key)


class BearerKeys:
    """The keys that requests over HTTP show in their header ``Authorization: Bearer …``.

    It is the SDK's token verifier, too: whoever shows no key is answered with 401.

    Args:
        keys: The keys of the database.
    """

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return what a secret opens, or None."""
        key = await anyio.to_thread.run_sync(self._keys.find, token)
        if key is None:
            return None
        return AccessToken(token=token, client_id=key.id, scopes=sorted(key.scopes))

    def current(self) -> Access | None:
        """Return what the key of the request that is being answered opens."""
        token = get_access_token()
        key = None if token is None else self._keys.find(token.token)
        return None if key is None else _access(key)


def _access(key: ApiKey) -> Access:
    return Access(key.tenant, key.id, frozenset(key.scopes), key.per_minute)

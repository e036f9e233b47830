"""API keys: who may call the server, for which tenant, for what and until when.

A secret is ``persona_ID_RANDOM`` with 256 random bits; the store keeps its sha256 and finds it by
the id. It is told once, when the key is made.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from persona_engine.errors import InvalidInputError, NotFoundError
from persona_engine.store.clock import Clock, from_micros, to_micros
from persona_engine.store.database import Database
from persona_engine.store.prepared import Prepared
from persona_engine.store.schema import api_key as table
from persona_engine.store.users import ensure_tenant
from persona_engine.store.validate import check_name, check_scope_name

KeyScope = Literal["chat", "feedback", "admin"]
"""What a key may do; ``admin`` includes the others."""

KEY_SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)
SECRET = re.compile(r"persona_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
"""What a secret looks like; scanners of logs and repositories may search for it."""

TOUCH_SECONDS = 60.0
"""How far behind ``used_at`` may be."""

_MOST_PER_MINUTE = 1_000_000
_NOBODYS = "0" * 64
_COLUMNS = tuple(table.c)
_FIND = Prepared(select(*_COLUMNS).where(table.c.id == bindparam("with_id")))
_OF_TENANT = table.c.tenant == bindparam("in_tenant")
_LIST = select(*_COLUMNS).where(_OF_TENANT).order_by(table.c.created_at, table.c.id)
_INSERT = insert(table).inline()
_REVOKE = (
    update(table)
    .where(_OF_TENANT, table.c.id == bindparam("with_id"), table.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"))
)
_ONE = select(*_COLUMNS).where(_OF_TENANT, table.c.id == bindparam("with_id"))
_LIVE = (
    select(table.c.id)
    .where(
        table.c.revoked_at.is_(None),
        or_(table.c.expires_at.is_(None), table.c.expires_at > bindparam("now")),
    )
    .limit(1)
)
_TOUCH = (
    update(table)
    .where(
        table.c.id == bindparam("with_id"),
        or_(table.c.used_at.is_(None), table.c.used_at < bindparam("now")),
    )
    .values(used_at=bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; never its secret.

    Args:
        id: Stands in the secret, and finds it.
        tenant: Whose data it opens.
        label: What it is called by the people who manage keys.
        scopes: What it may do.
        per_minute: Requests per minute, or None for the server's own limit.
        created_at: When it was made.
        expires_at: When it stops by itself, or None.
        revoked_at: When somebody stopped it, or None.
        used_at: When it was last used, up to a minute behind; None if never.
    """

    id: str
    tenant: str
    label: str
    scopes: frozenset[KeyScope]
    per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None

    def status(self, now: datetime) -> Literal["live", "expired", "revoked"]:
        """Return whether it can be used."""
        if self.revoked_at is not None:
            return "revoked"
        over = self.expires_at is not None and self.expires_at <= now
        return "expired" if over else "live"


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key that was just made, with the only copy of its secret."""

    key: ApiKey
    secret: str = field(repr=False)


class ApiKeys:
    """The keys of every tenant; made by `Store.api_keys`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(
        self,
        tenant: str,
        *,
        label: str,
        scopes: Collection[str],
        expires_at: datetime | None = None,
        per_minute: int | None = None,
    ) -> NewApiKey:
        """Make a key and return it with its secret, which nobody can tell again.

        Raises:
            ScopeError: The tenant is not a name of 1 to 256 characters.
            InvalidInputError: The label is no name, there is no such scope or none at all, it would
                have expired already, or the limit is no number from 1 to 1,000,000.
        """
        now = self._clock()
        check_scope_name("tenant", tenant)
        check_name("label", label)
        granted = _checked_scopes(scopes)
        _check_limits(expires_at, per_minute, now)
        id_ = secrets.token_hex(8)
        secret = f"persona_{id_}_{secrets.token_urlsafe(32)}"
        row = {
            "id": id_,
            "tenant": tenant,
            "label": label,
            "digest": digest(secret),
            "scopes": " ".join(granted),
            "per_minute": per_minute,
            "created_at": to_micros(now),
            "expires_at": None if expires_at is None else to_micros(expires_at),
            "revoked_at": None,
            "used_at": None,
        }

        def work(connection: Connection) -> None:
            ensure_tenant(connection, tenant, to_micros(now))
            connection.execute(_INSERT, row)

        self._database.write(work)
        return NewApiKey(key_of(tuple(row.values())), secret)

    def list(self, tenant: str) -> tuple[ApiKey, ...]:
        """Return a tenant's keys, oldest first, with those that are revoked or expired."""
        check_scope_name("tenant", tenant)
        with self._database.read() as connection:
            rows = connection.execute(_LIST, {"in_tenant": tenant}).all()
        return tuple(key_of(row) for row in rows)

    def revoke(self, tenant: str, id_: str) -> ApiKey:
        """Stop a key, and every session made from it, for good; what is revoked stays so.

        Raises:
            NotFoundError: The tenant has no such key.
        """
        check_scope_name("tenant", tenant)
        check_name("key", id_)
        named = {"in_tenant": tenant, "with_id": id_}
        now = to_micros(self._clock())

        def work(connection: Connection) -> ApiKey:
            connection.execute(_REVOKE, {**named, "now": now})
            row = connection.execute(_ONE, named).one_or_none()
            if row is None:
                raise NotFoundError(
                    f"tenant {tenant!r} has no key {id_!r}",
                    remedy="name an id that `persona keys list` shows",
                )
            return key_of(row)

        return self._database.write(work)

    def find(self, secret: str) -> ApiKey | None:
        """Return the live key of a secret; None for an unknown, revoked or expired one.

        Read from the database every time: a key that is revoked stops at once, in every process.
        Which of these it is, neither the answer nor the time that it takes tells.
        """
        shape = SECRET.fullmatch(secret)
        id_ = shape[1] if shape else "none"
        with self._database.read() as connection:
            row = _FIND.execute(connection, {"with_id": id_}).fetchone()
        known = hmac.compare_digest(digest(secret), _NOBODYS if row is None else row[3])
        key = None if row is None else key_of(row)
        live = key is not None and key.status(self._clock()) == "live"
        return key if known and live else None

    def any_live(self) -> bool:
        """Return whether any tenant has a key that can be used."""
        with self._database.read() as connection:
            now = {"now": to_micros(self._clock())}
            return connection.execute(_LIVE, now).first() is not None

    def touch(self, key: ApiKey) -> None:
        """Note that a key is used now; writes once a minute at most."""
        now = self._clock()
        if key.used_at is not None and (now - key.used_at).total_seconds() < TOUCH_SECONDS:
            return
        change = {"with_id": key.id, "now": to_micros(now)}
        self._database.write(lambda connection: connection.execute(_TOUCH, change))


def digest(secret: str) -> str:
    """Return what the store keeps of a secret: its sha256, in hexadecimal."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def key_of(row: Any) -> ApiKey:  # noqa: ANN401  # a row of SQLAlchemy or of the driver
    """Return the key that a row of the table holds."""
    id_, tenant, label, _, scopes, per_minute, created, *rest = row
    expires, revoked, used = (None if each is None else from_micros(each) for each in rest)
    granted: Any = frozenset(scopes.split())
    return ApiKey(
        id_, tenant, label, granted, per_minute, from_micros(created), expires, revoked, used
    )


def _checked_scopes(scopes: Collection[str]) -> tuple[KeyScope, ...]:
    wrong = [each for each in scopes if each not in KEY_SCOPES]
    if isinstance(scopes, str) or wrong or not scopes:
        raise InvalidInputError(
            f"scopes is {scopes!r}, expected one or more of {', '.join(KEY_SCOPES)}",
            remedy="chat makes replies, feedback says what was liked, admin does everything",
        )
    return tuple(each for each in KEY_SCOPES if each in scopes)


def _check_limits(expires_at: datetime | None, per_minute: int | None, now: datetime) -> None:
    if expires_at is not None and to_micros(expires_at) <= to_micros(now):
        raise InvalidInputError(f"expires_at is {expires_at.isoformat()}, which has passed")
    whole = isinstance(per_minute, int) and not isinstance(per_minute, bool)
    if per_minute is not None and not (whole and 1 <= per_minute <= _MOST_PER_MINUTE):
        raise InvalidInputError(
            f"per_minute is {per_minute!r}, expected a whole number from 1 to {_MOST_PER_MINUTE:,}"
        )

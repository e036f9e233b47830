"""The audit trail: what was done to whose data, without the data and without the name."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, select

from persona_engine.errors import InvalidInputError
from persona_engine.store.clock import from_micros, to_micros
from persona_engine.store.database import Database
from persona_engine.store.records import AuditEvent, NewAuditEvent
from persona_engine.store.schema import audit_event as table
from persona_engine.store.users import ensure_tenant
from persona_engine.store.validate import check_json, check_name
from persona_engine.types import Scope

_INSERT = insert(table).inline()
_OF_TENANT = table.c.tenant == bindparam("in_tenant")
_SELECT = select(table).where(_OF_TENANT)
_PRUNE = delete(table).where(_OF_TENANT, table.c.created_at < bindparam("before"))


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which events are wanted; what is None does not matter.

    Args:
        since: From when on.
        until: Up to, but without.
        action: Such as ``export``.
        user: To whose data.
        actor: By which key.
        after: Number of the last event that is known already.
        limit: How many at most.
        latest: Whether the limit leaves the last ones, and not the first.
    """

    since: datetime | None = None
    until: datetime | None = None
    action: str | None = None
    user: str | None = None
    actor: str | None = None
    after: int = 0
    limit: int | None = None
    latest: bool = False


EVERYTHING = AuditQuery()


def subject(user: str) -> str:
    """Return how the audit trail calls a user: the sha256 of the name."""
    return hashlib.sha256(user.encode(errors="surrogatepass")).hexdigest()


def write(
    database: Database, scope: Scope, action: str, detail: Mapping[str, Any], *, now: int
) -> None:
    """Append an audit event in a transaction of its own."""
    write_all(database, [NewAuditEvent(scope.tenant, scope.user, action, detail)], now=now)


def write_all(database: Database, new: Sequence[NewAuditEvent], *, now: int) -> None:
    """Append events of any tenants in one transaction, or none of them.

    Raises:
        InvalidInputError: An action is no name, or a detail is no JSON.
    """
    for each in new:
        check_name("action", each.action)
        check_json("detail", dict(each.detail))
    rows = [_row(each, now) for each in new]

    def with_tenants(connection: Connection) -> None:
        for tenant in sorted({each.tenant for each in new}):
            ensure_tenant(connection, tenant, now)

    if rows:
        database.write(lambda connection: connection.execute(_INSERT, rows), repair=with_tenants)


def append(
    connection: Connection, scope: Scope, action: str, detail: Mapping[str, Any], now: int
) -> None:
    """Append an audit event within the running transaction; the tenant must exist."""
    connection.execute(_INSERT, _row(NewAuditEvent(scope.tenant, scope.user, action, detail), now))


def events(database: Database, tenant: str, query: AuditQuery) -> tuple[AuditEvent, ...]:
    """Return the events of a tenant's trail that are asked for, oldest first.

    Raises:
        InvalidInputError: The limit is below 1, a time has no zone, or action or key is no name.
    """
    statement = _narrowed(query)
    with database.read() as connection:
        rows = connection.execute(statement, {"in_tenant": tenant}).all()
    found = tuple(_event(row) for row in rows)
    return found[::-1] if query.latest else found


def prune(database: Database, tenant: str, before: datetime) -> int:
    """Delete a tenant's events from before a time; return how many there were."""
    named = {"in_tenant": tenant, "before": to_micros(before)}
    return database.write(lambda connection: connection.execute(_PRUNE, named).rowcount)


def _narrowed(query: AuditQuery) -> Select[Any]:
    if query.limit is not None and query.limit < 1:
        raise InvalidInputError(f"limit is {query.limit}, expected at least 1")
    for what, name in (("action", query.action), ("key", query.actor)):
        if name is not None:
            check_name(what, name)
    order = table.c.sequence.desc() if query.latest else table.c.sequence
    found = _SELECT.where(table.c.sequence > query.after).order_by(order).limit(query.limit)
    if query.since is not None:
        found = found.where(table.c.created_at >= to_micros(query.since))
    if query.until is not None:
        found = found.where(table.c.created_at < to_micros(query.until))
    if query.action is not None:
        found = found.where(table.c.action == query.action)
    if query.user is not None:
        found = found.where(table.c.subject == subject(query.user))
    if query.actor is not None:
        found = found.where(table.c.actor == query.actor)
    return found


def _row(new: NewAuditEvent, now: int) -> dict[str, Any]:
    return {
        "tenant": new.tenant,
        "id": uuid.uuid4().hex,
        "subject": "" if new.user is None else subject(new.user),
        "action": new.action,
        "created_at": now,
        "detail": dict(new.detail),
        "actor": new.actor,
        "request": new.request,
    }


def _event(row: Row[Any]) -> AuditEvent:
    return AuditEvent(
        row.id,
        row.subject,
        row.action,
        row.detail,
        from_micros(row.created_at),
        row.actor,
        row.request,
        row.sequence,
    )

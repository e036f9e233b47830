"""The audit trail: what was done to whose data, without the data and without the name."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from persona_engine.store.clock import from_micros
from persona_engine.store.database import Database
from persona_engine.store.records import AuditEvent
from persona_engine.store.schema import audit_event as table
from persona_engine.store.users import ensure_tenant
from persona_engine.store.validate import check_json, check_name
from persona_engine.types import Scope

_INSERT = insert(table).inline()
_ALL = select(table).where(table.c.tenant == bindparam("in_tenant")).order_by(table.c.sequence)


def subject(user: str) -> str:
    """Return how the audit trail calls a user: the sha256 of the name."""
    return hashlib.sha256(user.encode()).hexdigest()


def write(
    database: Database, scope: Scope, action: str, detail: Mapping[str, Any], *, now: int
) -> None:
    """Append an audit event in a transaction of its own."""
    check_name("action", action)
    check_json("detail", dict(detail))

    def work(connection: Connection) -> None:
        ensure_tenant(connection, scope.tenant, now)
        append(connection, scope, action, detail, now)

    database.write(work, scope=scope)


def append(
    connection: Connection, scope: Scope, action: str, detail: Mapping[str, Any], now: int
) -> None:
    """Append an audit event within the running transaction; the tenant must exist."""
    row = {
        "tenant": scope.tenant,
        "id": uuid.uuid4().hex,
        "subject": subject(scope.user),
        "action": action,
        "created_at": now,
        "detail": dict(detail),
    }
    connection.execute(_INSERT, row)


def events(database: Database, tenant: str) -> tuple[AuditEvent, ...]:
    """Return a tenant's audit trail, oldest first."""
    with database.read() as connection:
        rows = connection.execute(_ALL, {"in_tenant": tenant}).all()
    return tuple(
        AuditEvent(row.id, row.subject, row.action, row.detail, from_micros(row.created_at))
        for row in rows
    )

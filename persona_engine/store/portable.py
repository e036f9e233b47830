"""Everything about one user as a JSON document, and back."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Select, Table, bindparam, delete, insert, select

from persona_engine.errors import ConflictError
from persona_engine.store import audit, schema
from persona_engine.store.clock import from_micros
from persona_engine.store.database import Database
from persona_engine.store.documents import FORMAT, VERSION, read_document
from persona_engine.store.users import ensure_user
from persona_engine.types import Scope

_TIMES = ("created_at", "updated_at", "valid_from", "valid_until")
_INTERNAL = ("tenant", "user", "sequence", "stamp")
_DERIVED = ("vector_space", "vector")
_RESTORED = (
    schema.reply,
    schema.comparison,
    schema.rating,
    schema.instruction,
    schema.steering,
    schema.trait,
)


def _of_user(table: Table) -> Select[*tuple[Any, ...]]:
    order = table.c.sequence if "sequence" in table.c else table.c[_order_key(table)]
    return (
        select(*_told(table))
        .where(table.c.tenant == bindparam("in_tenant"), table.c.user == bindparam("of_user"))
        .order_by(order)
    )


def _told(table: Table) -> list[Column[Any]]:
    """Return the columns that say something; others are computed from these."""
    return [column for column in table.columns if column.name not in _DERIVED]


def _order_key(table: Table) -> str:
    return "created_at" if "created_at" in table.c else tuple(table.c.keys())[2]


_SELECTS = {
    "replies": _of_user(schema.reply),
    "comparisons": _of_user(schema.comparison),
    "ratings": _of_user(schema.rating),
    "instructions": _of_user(schema.instruction),
    "steering": _of_user(schema.steering),
    "traits": _of_user(schema.trait),
    "posteriors": _of_user(schema.posterior),
    "populations": _of_user(schema.population_user),
    "clusterings": _of_user(schema.clustering_user),
    "adapters": _of_user(schema.adapter_user),
}
_PROFILE = select(schema.app_user.c.created_at).where(
    schema.app_user.c.tenant == bindparam("in_tenant"),
    schema.app_user.c.user == bindparam("of_user"),
)
_AUDIT = (
    select(schema.audit_event)
    .where(
        schema.audit_event.c.tenant == bindparam("in_tenant"),
        schema.audit_event.c.subject == bindparam("of_subject"),
    )
    .order_by(schema.audit_event.c.sequence)
)
_NAMED_BY = {schema.steering.name: "attribute", schema.trait.name: "name"}
_CHANGING = {"status", "superseded_by"}
_EXISTING = {
    table.name: select(*_told(table)).where(
        table.c.tenant == bindparam("in_tenant"), table.c.user == bindparam("of_user")
    )
    for table in _RESTORED
}
_INSERTS = {table.name: insert(table).inline() for table in _RESTORED}
_DROP_POSTERIORS = delete(schema.posterior).where(
    schema.posterior.c.tenant == bindparam("in_tenant"),
    schema.posterior.c.user == bindparam("of_user"),
)


def export(database: Database, scope: Scope, *, now: int) -> dict[str, Any]:
    """Return every row of a user at one moment; see `UserStore.export`."""
    key = {"in_tenant": scope.tenant, "of_user": scope.user}
    with database.snapshot() as connection:
        created = connection.execute(_PROFILE, key).scalar()
        found = {name: _rows(connection, each, key) for name, each in _SELECTS.items()}
        trail = _rows(
            connection,
            _AUDIT,
            {"in_tenant": scope.tenant, "of_subject": audit.subject(scope.user)},
        )
    return {
        "format": FORMAT,
        "version": VERSION,
        "tenant": scope.tenant,
        "user": scope.user,
        "exported_at": from_micros(now).isoformat(),
        "created_at": None if created is None else from_micros(created).isoformat(),
        **found,
        "audit_events": trail,
    }


def restore(database: Database, scope: Scope, document: Mapping[str, Any], *, now: int) -> int:
    """Write what an exported document holds and this user lacks; see `UserStore.restore`."""
    wanted = read_document(document, scope)

    def work(connection: Connection) -> int:
        ensure_user(connection, scope, now)
        missing = {name: _missing(connection, scope, name, rows) for name, rows in wanted.items()}
        for table in _RESTORED:
            if missing[table.name]:
                connection.execute(_INSERTS[table.name], missing[table.name])
        if missing["comparison"]:
            key = {"in_tenant": scope.tenant, "of_user": scope.user}
            connection.execute(_DROP_POSTERIORS, key)
        return sum(len(rows) for rows in missing.values())

    return database.write(work, scope=scope)


def _missing(
    connection: Connection, scope: Scope, name: str, rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    key = {"in_tenant": scope.tenant, "of_user": scope.user}
    names = _NAMED_BY.get(name, "id")
    found = {row._mapping[names]: row._mapping for row in connection.execute(_EXISTING[name], key)}
    new = []
    for row in rows:
        stored = found.get(row[names])
        if stored is None:
            new.append(row)
        elif any(stored[each] != row[each] for each in row.keys() - _CHANGING):
            raise ConflictError(
                f"{name} {row[names]!r} is stored already, with other content",
                remedy="export the user first, forget them, then import",
            )
    return new


def _rows(
    connection: Connection, statement: Select[*tuple[Any, ...]], key: Mapping[str, str]
) -> list[dict[str, Any]]:
    return [
        {
            column: _portable(column)(value)
            for column, value in row._mapping.items()
            if column not in _INTERNAL
        }
        for row in connection.execute(statement, key)
    ]


def _portable(column: str) -> Callable[[Any], Any]:
    if column in _TIMES:
        return lambda micros: None if micros is None else from_micros(micros).isoformat()
    if column == "rests_on":
        return json.loads
    if column == "blob":
        return lambda blob: base64.b64encode(blob).decode()
    return lambda value: value

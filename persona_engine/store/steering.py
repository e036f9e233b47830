"""What a person set by hand: a strength for each attribute of replies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from persona_engine.store.database import Database
from persona_engine.store.prepared import Prepared
from persona_engine.store.schema import steering as table
from persona_engine.store.users import ensure_user
from persona_engine.store.validate import check_name, check_number
from persona_engine.types import Scope

MAX_STRENGTH = 10.0

_OF_USER = (table.c.tenant == bindparam("in_tenant"), table.c.user == bindparam("of_user"))
_FIND = Prepared(
    select(table.c.attribute, table.c.strength).where(*_OF_USER).order_by(table.c.attribute)
)
_DELETE = delete(table).where(*_OF_USER, table.c.attribute == bindparam("of_attribute"))
_INSERT = insert(table).inline()


def load(database: Database, scope: Scope) -> dict[str, float]:
    """Return the strength of each attribute that is set."""
    with database.read() as connection:
        return _found(connection, scope)


def change(
    database: Database, scope: Scope, strengths: Mapping[str, float], *, now: int
) -> dict[str, float]:
    """Set strengths, all of them or none; 0 removes one. Return what is set then.

    Raises:
        InvalidInputError: An attribute is no name, or a strength no number from -10 to 10.
    """
    for attribute, strength in strengths.items():
        check(attribute, strength)

    def work(connection: Connection) -> dict[str, float]:
        ensure_user(connection, scope, now)
        before = _found(connection, scope)
        for attribute, strength in strengths.items():
            if before.get(attribute, 0.0) == strength:
                continue
            connection.execute(_DELETE, {**_key(scope), "of_attribute": attribute})
            if strength:
                connection.execute(_INSERT, row_of(scope, attribute, strength, now))
        return _found(connection, scope)

    return database.write(work, scope=scope)


def check(attribute: object, strength: object) -> None:
    """Raise `InvalidInputError` unless both can be stored."""
    check_name("attribute", attribute)
    check_number(f"strength of {attribute!r}", strength, low=-MAX_STRENGTH, high=MAX_STRENGTH)


def row_of(scope: Scope, attribute: str, strength: float, now: int) -> dict[str, Any]:
    """Return the row of one attribute."""
    return {
        "tenant": scope.tenant,
        "user": scope.user,
        "attribute": attribute,
        "strength": float(strength),
        "created_at": now,
    }


def _found(connection: Connection, scope: Scope) -> dict[str, float]:
    return {row[0]: float(row[1]) for row in _FIND.execute(connection, _key(scope)).fetchall()}


def _key(scope: Scope) -> dict[str, str]:
    return {"in_tenant": scope.tenant, "of_user": scope.user}

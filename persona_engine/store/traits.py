"""What a host knows of a person before they say anything: a locale, and traits in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from persona_engine.errors import InvalidInputError
from persona_engine.store.database import Database
from persona_engine.store.embeddings import content_key
from persona_engine.store.prepared import Prepared
from persona_engine.store.schema import embedding_cache
from persona_engine.store.schema import trait as table
from persona_engine.store.users import ensure_user
from persona_engine.store.validate import check_text
from persona_engine.types import Scope

NAMES = ("locale", "traits")
LONGEST = 2_000

_OF_USER = (table.c.tenant == bindparam("in_tenant"), table.c.user == bindparam("of_user"))
_FIND = Prepared(select(table.c.name, table.c.text).where(*_OF_USER).order_by(table.c.name))
_DELETE = delete(table).where(*_OF_USER, table.c.name == bindparam("of_name"))
_INSERT = insert(table).inline()
_DROP_CACHED = delete(embedding_cache).where(
    embedding_cache.c.tenant == bindparam("in_tenant"),
    embedding_cache.c.key == bindparam("with_key"),
)
_ALL = (
    select(table.c.user, table.c.name, table.c.text)
    .where(table.c.tenant == bindparam("in_tenant"))
    .order_by(table.c.user)
)
_STATE = select(func.count(), func.max(table.c.created_at)).where(
    table.c.tenant == bindparam("in_tenant")
)


def load(database: Database, scope: Scope) -> dict[str, str]:
    """Return what is known of a user, by name."""
    with database.read() as connection:
        return _found(connection, scope)


def change(
    database: Database, scope: Scope, known: Mapping[str, str], *, now: int
) -> dict[str, str]:
    """Set what is known, all of it or nothing; empty text removes. Return what is known then.

    Raises:
        InvalidInputError: A text cannot be stored.
    """
    for name, text in known.items():
        check(name, text)

    def work(connection: Connection) -> dict[str, str]:
        ensure_user(connection, scope, now)
        before = _found(connection, scope)
        for name, text in known.items():
            if before.get(name, "") == text:
                continue
            connection.execute(_DELETE, {**_key(scope), "of_name": name})
            key = {"in_tenant": scope.tenant, "with_key": content_key((), before.get(name, ""))}
            connection.execute(_DROP_CACHED, key)
            if text:
                connection.execute(_INSERT, row_of(scope, name, text, now))
        return _found(connection, scope)

    return database.write(work, scope=scope)


def iter_traits(database: Database, tenant: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield a tenant's users of whom something is known, and what, by name of the user."""
    with database.read() as connection:
        user, known = None, dict[str, str]()
        for row in connection.execute(_ALL, {"in_tenant": tenant}):
            if user is not None and row.user != user:
                yield user, known
                known = {}
            user = row.user
            known[row.name] = row.text
        if user is not None:
            yield user, known


def generation(database: Database, tenant: str) -> str:
    """Return a text that changes when what is known of a tenant's users does."""
    with database.read() as connection:
        count, newest = connection.execute(_STATE, {"in_tenant": tenant}).one()
    return f"{count}/{newest}"


def check(name: object, text: object) -> None:
    """Raise `InvalidInputError` unless both can be stored."""
    if name not in NAMES:
        raise InvalidInputError(f"{name!r} is no kind of trait, expected {' or '.join(NAMES)}")
    if not isinstance(text, str):
        raise InvalidInputError(f"{name} is {text!r}, expected text")
    check_text(str(name), text)
    if len(text) > LONGEST:
        raise InvalidInputError(
            f"{name} has {len(text):,} characters, expected at most {LONGEST:,}",
            remedy="say what matters for how replies are written",
        )


def row_of(scope: Scope, name: str, text: str, now: int) -> dict[str, Any]:
    """Return the row of one trait."""
    return {
        "tenant": scope.tenant,
        "user": scope.user,
        "name": name,
        "text": text,
        "created_at": now,
    }


def _found(connection: Connection, scope: Scope) -> dict[str, str]:
    return {row[0]: str(row[1]) for row in _FIND.execute(connection, _key(scope)).fetchall()}


def _key(scope: Scope) -> dict[str, str]:
    return {"in_tenant": scope.tenant, "of_user": scope.user}

"""Tenants and users: their rows, made when somebody is first seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from persona_engine.store.clock import from_micros
from persona_engine.store.database import Database
from persona_engine.store.schema import app_user, tenant
from persona_engine.store.validate import check_text
from persona_engine.types import Scope

# PostgreSQL's insert compiles on SQLite as well: both know ON CONFLICT DO NOTHING.
_NEW_TENANT = insert(tenant).on_conflict_do_nothing()
_NEW_USER = insert(app_user).on_conflict_do_nothing()
_CREATED = select(app_user.c.created_at).where(
    app_user.c.tenant == bindparam("tenant"), app_user.c.user == bindparam("user")
)
_PAGE = (
    select(app_user.c.user)
    .where(app_user.c.tenant == bindparam("tenant"), app_user.c.user > bindparam("after"))
    .order_by(app_user.c.user)
    .limit(bindparam("batch"))
)
_FOUND = (
    select(app_user.c.user)
    .where(
        app_user.c.tenant == bindparam("tenant"),
        app_user.c.user > bindparam("after"),
        func.lower(app_user.c.user).like(func.lower(bindparam("like")), escape="\\"),
    )
    .order_by(app_user.c.user)
    .limit(bindparam("count"))
)


def ensure_tenant(connection: Connection, name: str, now: int) -> None:
    """Make the tenant's row if there is none."""
    connection.execute(_NEW_TENANT, {"tenant": name, "created_at": now})


def ensure_user(connection: Connection, scope: Scope, now: int) -> None:
    """Make the rows of tenant and user if there are none."""
    ensure_tenant(connection, scope.tenant, now)
    row = {"tenant": scope.tenant, "user": scope.user, "created_at": now}
    connection.execute(_NEW_USER, row)


def created_at(database: Database, scope: Scope) -> datetime | None:
    """Return when the user was first seen, or None."""
    with database.read() as connection:
        found = connection.execute(_CREATED, {"tenant": scope.tenant, "user": scope.user}).scalar()
    return None if found is None else from_micros(found)


def iter_users(database: Database, name: str, *, batch: int) -> Iterator[str]:
    """Yield a tenant's users, sorted by code point of their names."""
    after = ""
    while True:
        with database.read() as connection:
            parameters = {"tenant": name, "after": after, "batch": batch}
            page = connection.execute(_PAGE, parameters).scalars().all()
        yield from page
        if len(page) < batch:
            return
        after = page[-1]


def find_users(
    database: Database, name: str, *, containing: str, after: str, count: int
) -> tuple[str, ...]:
    """Return some of a tenant's users, sorted; see `TenantStore.find_users`."""
    check_text("containing", containing)
    check_text("after", after)
    escaped = containing.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    key = {"tenant": name, "after": after, "like": f"%{escaped}%", "count": count}
    with database.read() as connection:
        return tuple(connection.execute(_FOUND, key).scalars())

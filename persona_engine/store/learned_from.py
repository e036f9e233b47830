"""Whom an artefact learned from: rows that name users, so that forgetting one finds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Delete, Insert, Table, bindparam, delete, insert, select, update

from persona_engine.store.embeddings import batched
from persona_engine.store.schema import adapter_user, app_user, clustering_user, population_user
from persona_engine.store.validate import check_scope_name

_KNOWN = (
    select(app_user.c.user)
    .where(
        app_user.c.tenant == bindparam("in_tenant"),
        app_user.c.user.in_(bindparam("names", expanding=True)),
    )
    .with_for_update(read=True, key_share=True)
)


def _statements(table: Table) -> tuple[Delete, Insert]:
    clear = delete(table).where(
        table.c.tenant == bindparam("in_tenant"), table.c.version == bindparam("with_version")
    )
    return clear, insert(table)


_NOTE_SHARE = (
    update(population_user)
    .where(
        population_user.c.tenant == bindparam("in_tenant"),
        population_user.c.user == bindparam("of_user"),
        population_user.c.version == bindparam("with_version"),
    )
    .values(share=bindparam("its_share"))
)
_STATEMENTS = {
    table.name: _statements(table) for table in (population_user, clustering_user, adapter_user)
}


def checked_users(users: Sequence[str]) -> list[str]:
    """Return the names sorted, each once.

    Raises:
        ScopeError: One is no name.
    """
    found = sorted(set(users))
    for user in found:
        check_scope_name("user", user)
    return found


def known_users(connection: Connection, tenant: str, users: Sequence[str]) -> list[str]:
    """Return which users exist; the others were forgotten while the artefact was made."""
    known: list[str] = []
    for some in batched(users):
        known += connection.execute(_KNOWN, {"in_tenant": tenant, "names": some}).scalars()
    return known


def replace_users(
    connection: Connection, table: Table, tenant: str, version: str, users: Sequence[str]
) -> None:
    """Write whom a version learned from, in place of what was written before."""
    clear, add = _STATEMENTS[table.name]
    connection.execute(clear, {"in_tenant": tenant, "with_version": version})
    if users:
        rows = [{"tenant": tenant, "user": user, "version": version} for user in users]
        connection.execute(add, rows)


def note_shares(
    connection: Connection, tenant: str, version: str, shares: Mapping[str, float]
) -> None:
    """Note what comparisons of users whose influence was limited counted in a population's fit."""
    rows = [
        {"in_tenant": tenant, "of_user": user, "with_version": version, "its_share": share}
        for user, share in shares.items()
    ]
    if rows:
        connection.execute(_NOTE_SHARE, rows)

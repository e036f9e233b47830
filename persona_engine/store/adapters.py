"""Versions of adapters: for which cluster and base, from whom, and which one is in use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from persona_engine.errors import ConflictError, InvalidInputError, NotFoundError
from persona_engine.store.clock import from_micros
from persona_engine.store.database import Database
from persona_engine.store.learned_from import checked_users, known_users, replace_users
from persona_engine.store.records import AdapterRow, Artefact, NewAdapter
from persona_engine.store.schema import adapter as table
from persona_engine.store.schema import adapter_publication, adapter_user, artefact
from persona_engine.store.users import ensure_tenant
from persona_engine.store.validate import check_json, check_name, check_number, check_text

_SHA256 = re.compile(r"[0-9a-f]{64}")

_OF_TENANT = table.c.tenant == bindparam("in_tenant")
_WITH_VERSION = (_OF_TENANT, table.c.version == bindparam("with_version"))
_IN_USE = (
    _OF_TENANT,
    table.c.cluster == bindparam("for_cluster"),
    table.c.base == bindparam("on_base"),
    table.c.published.is_(True),
)
_NEW = upsert(table)
_SAVE = _NEW.on_conflict_do_update(
    index_elements=[table.c.tenant, table.c.version], set_={"stale": _NEW.excluded.stale}
)
_ADD_ARTEFACT = upsert(artefact).on_conflict_do_nothing()
_OF_ARTEFACT = (
    artefact.c.tenant == bindparam("in_tenant"),
    artefact.c.path == bindparam("at_path"),
)
_HASH = select(artefact.c.sha256).where(*_OF_ARTEFACT)
_DROP_ARTEFACT = delete(artefact).where(*_OF_ARTEFACT)
_ROWS = (
    select(table, artefact.c.sha256)
    .join(artefact, (artefact.c.tenant == table.c.tenant) & (artefact.c.path == table.c.artefact))
    .where(_OF_TENANT)
    .order_by(table.c.created_at, table.c.version)
)
_ROW = _ROWS.where(table.c.version == bindparam("with_version"))
_PUBLISHED = _ROWS.where(table.c.base == bindparam("on_base"), table.c.published.is_(True))
_UNPUBLISH = update(table).where(*_IN_USE).values(published=False)
_PUBLISH = update(table).where(*_WITH_VERSION).values(published=True)
_PUBLICATIONS = (
    select(adapter_publication.c.sequence, adapter_publication.c.version)
    .join(
        table,
        (table.c.tenant == adapter_publication.c.tenant)
        & (table.c.version == adapter_publication.c.version),
    )
    .where(
        _OF_TENANT,
        table.c.cluster == bindparam("for_cluster"),
        table.c.base == bindparam("on_base"),
    )
    .order_by(adapter_publication.c.sequence)
)
_ADD_PUBLICATION = insert(adapter_publication).inline()
_DROP_PUBLICATIONS = delete(adapter_publication).where(
    adapter_publication.c.sequence.in_(bindparam("sequences", expanding=True))
)
_DELETES = (
    *(
        delete(each).where(
            each.c.tenant == bindparam("in_tenant"), each.c.version == bindparam("with_version")
        )
        for each in (adapter_publication, adapter_user)
    ),
    delete(table).where(*_WITH_VERSION),
)


def save(
    database: Database, tenant: str, adapter: NewAdapter, *, users: Sequence[str], now: int
) -> None:
    """Store an adapter's version and whom it learned from; see `TenantStore.save_adapter`."""
    row = _row(tenant, adapter, now)
    learned_from = checked_users(users)

    def work(connection: Connection) -> None:
        ensure_tenant(connection, tenant, now)
        _save_artefact(connection, tenant, adapter.artefact, now)
        known = known_users(connection, tenant, learned_from)
        _check_same(_find(connection, tenant, adapter.version), adapter)
        connection.execute(_SAVE, {**row, "stale": len(known) < len(learned_from)})
        replace_users(connection, adapter_user, tenant, adapter.version, known)

    database.write(work)


def publish(database: Database, tenant: str, version: str, *, now: int) -> None:
    """Put a version to use; see `TenantStore.publish_adapter`."""

    def work(connection: Connection) -> None:
        row = _found(connection, tenant, version)
        if not row.published:
            _put_to_use(connection, tenant, row, version)
            published = {"tenant": tenant, "version": version, "created_at": now}
            connection.execute(_ADD_PUBLICATION, published)

    database.write(work)


def unpublish(database: Database, tenant: str, version: str) -> None:
    """Take a version out of use; see `TenantStore.unpublish_adapter`."""

    def work(connection: Connection) -> None:
        row = _found(connection, tenant, version)
        if row.published:
            connection.execute(_UNPUBLISH, _place(tenant, row))

    database.write(work)


def roll_back(
    database: Database, tenant: str, version: str, *, check: Callable[[AdapterRow], object]
) -> str:
    """Put the version before to use; see `TenantStore.roll_back_adapter`."""

    def work(connection: Connection) -> str:
        row = _found(connection, tenant, version)
        if not row.published:
            raise ConflictError(
                f"adapter {version!r} is not published: there is nothing to roll back",
                remedy="publish the version that you want",
            )
        history = list(connection.execute(_PUBLICATIONS, _place(tenant, row)))
        undone = []
        while history and history[-1].version == version:
            undone.append(history.pop().sequence)
        if not history:
            raise NotFoundError(
                f"no adapter of cluster {row.cluster!r} was published before {version!r}",
                remedy="unpublish it: the base model serves the cluster then",
            )
        before = _record(_found(connection, tenant, history[-1].version))
        check(before)
        connection.execute(_DROP_PUBLICATIONS, {"sequences": undone})
        _put_to_use(connection, tenant, row, before.version)
        return before.version

    return database.write(work)


def remove(database: Database, tenant: str, version: str, *, force: bool) -> None:
    """Delete a version's rows; see `TenantStore.delete_adapter`."""
    key = {"in_tenant": tenant, "with_version": version}

    def work(connection: Connection) -> None:
        row = _found(connection, tenant, version)
        if row.published and not force:
            raise ConflictError(
                f"adapter {version!r} is published: it serves cluster {row.cluster!r}",
                remedy="roll back or unpublish it first, or force the deletion",
            )
        for statement in _DELETES:
            connection.execute(statement, key)
        connection.execute(_DROP_ARTEFACT, {"in_tenant": tenant, "at_path": row.artefact})

    database.write(work)


def load(database: Database, tenant: str, version: str) -> AdapterRow:
    """Return one version's row.

    Raises:
        NotFoundError: The tenant has none of that version.
    """
    with database.read() as connection:
        return _record(_found(connection, tenant, version))


def rows(database: Database, tenant: str, cluster: str | None) -> tuple[AdapterRow, ...]:
    """Return every version of a tenant, or of one cluster, oldest first."""
    with database.read() as connection:
        found = connection.execute(_ROWS, {"in_tenant": tenant}).all()
    return _records(row for row in found if cluster in (None, row.cluster))


def published(database: Database, tenant: str, base: str) -> tuple[AdapterRow, ...]:
    """Return the versions in use on one base."""
    with database.read() as connection:
        found = connection.execute(_PUBLISHED, {"in_tenant": tenant, "on_base": base}).all()
    return _records(found)


def _put_to_use(connection: Connection, tenant: str, row: Row[Any], version: str) -> None:
    connection.execute(_UNPUBLISH, _place(tenant, row))
    connection.execute(_PUBLISH, {"in_tenant": tenant, "with_version": version})


def _place(tenant: str, row: Row[Any]) -> dict[str, str]:
    return {"in_tenant": tenant, "for_cluster": row.cluster, "on_base": row.base}


def _find(connection: Connection, tenant: str, version: str) -> Row[Any] | None:
    check_name("version", version)
    return connection.execute(_ROW, {"in_tenant": tenant, "with_version": version}).first()


def _found(connection: Connection, tenant: str, version: str) -> Row[Any]:
    row = _find(connection, tenant, version)
    if row is None:
        raise NotFoundError(
            f"no adapter {version!r} in this tenant", remedy="look with `persona adapters list`"
        )
    return row


def _save_artefact(connection: Connection, tenant: str, file: Artefact, now: int) -> None:
    row = {"tenant": tenant, "path": file.path, "sha256": file.sha256, "size": file.size}
    connection.execute(_ADD_ARTEFACT, {**row, "created_at": now})
    known = connection.execute(_HASH, {"in_tenant": tenant, "at_path": file.path}).scalar()
    if known != file.sha256:
        raise ConflictError(
            f"{file.path} is stored already with sha256 {known}, not {file.sha256}",
            remedy="delete the adapter that it belongs to first",
        )


def _check_same(before: Row[Any] | None, adapter: NewAdapter) -> None:
    if before is not None and (before.cluster, before.base) != (adapter.cluster, adapter.base):
        raise ConflictError(
            f"adapter {adapter.version!r} is stored already, for cluster {before.cluster!r} on "
            f"base {before.base!r}"
        )


def _row(tenant: str, adapter: NewAdapter, now: int) -> dict[str, Any]:
    for what in ("version", "cluster", "base"):
        check_name(what, getattr(adapter, what))
    file = adapter.artefact
    check_text("path", file.path)
    check_number("size", file.size, low=0, high=2**62)
    if not _SHA256.fullmatch(file.sha256):
        raise InvalidInputError(f"sha256 is {file.sha256!r}, expected 64 hexadecimal digits")
    check_json("adapter meta", dict(adapter.meta))
    return {
        "tenant": tenant,
        "version": adapter.version,
        "cluster": adapter.cluster,
        "base": adapter.base,
        "artefact": file.path,
        "published": False,
        "created_at": now,
        "meta": dict(adapter.meta),
    }


def _records(found: Iterable[Row[Any]]) -> tuple[AdapterRow, ...]:
    return tuple(_record(row) for row in found)


def _record(row: Row[Any]) -> AdapterRow:
    return AdapterRow(
        version=row.version,
        cluster=row.cluster,
        base=row.base,
        artefact=row.artefact,
        sha256=row.sha256,
        published=row.published,
        stale=row.stale,
        created_at=from_micros(row.created_at),
        meta=row.meta,
    )

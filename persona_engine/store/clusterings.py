"""Clusterings: which groups of users there are, and from whom they were learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from persona_engine.errors import InvalidInputError, NotFoundError
from persona_engine.store.clock import from_micros
from persona_engine.store.codec import decode_clustering, encode_clustering
from persona_engine.store.database import Database
from persona_engine.store.learned_from import checked_users, known_users, replace_users
from persona_engine.store.records import ClusteringRow, ClusterRow
from persona_engine.store.schema import cluster, clustering_user, population
from persona_engine.store.schema import clustering as table
from persona_engine.store.users import ensure_tenant
from persona_engine.store.validate import check_json, check_name
from persona_engine.types import Clustering, Json

_MAX_SIZE = 2**31 - 1

_OF_TENANT = table.c.tenant == bindparam("in_tenant")
_IN_USE = (_OF_TENANT, table.c.published.is_(True))
_WITH_VERSION = (_OF_TENANT, table.c.version == bindparam("with_version"))
_NEW = upsert(table)
_SAVE = _NEW.on_conflict_do_update(
    index_elements=[table.c.tenant, table.c.version],
    set_={"trained_users": _NEW.excluded.trained_users, "stale": _NEW.excluded.stale},
)
_CLEAR_CLUSTERS = delete(cluster).where(
    cluster.c.tenant == bindparam("in_tenant"), cluster.c.clustering == bindparam("with_version")
)
_ADD_CLUSTERS = insert(cluster)
_STANDS_ON = select(population.c.version).where(
    population.c.tenant == bindparam("in_tenant"), population.c.version == bindparam("with_version")
)
_STATE = (table.c.version, table.c.meta, table.c.state)
_PUBLISHED = select(*_STATE).where(*_IN_USE)
_PUBLISHED_PLACE = select(table.c.version, table.c.population).where(*_IN_USE)
_FIND = select(*_STATE).where(*_WITH_VERSION)
_UNPUBLISH = update(table).where(*_IN_USE).values(published=False)
_PUBLISH = update(table).where(*_WITH_VERSION).values(published=True)
_ROWS = (
    select(*(column for column in table.c if column.name != "state"))
    .where(_OF_TENANT)
    .order_by(table.c.created_at, table.c.version)
)
_CLUSTERS = (
    select(cluster).where(cluster.c.tenant == bindparam("in_tenant")).order_by(cluster.c.place)
)


def save(
    database: Database,
    tenant: str,
    clustering: Clustering,
    *,
    users: Sequence[str],
    sizes: Sequence[int],
    about: Sequence[Json],
    now: int,
) -> None:
    """Store a clustering and whom it learned from; see `TenantStore.save_clustering`."""
    row = _row(tenant, clustering, now)
    clusters = _cluster_rows(tenant, clustering, sizes, about)
    learned_from = checked_users(users)
    key = {"in_tenant": tenant, "with_version": clustering.version}

    def work(connection: Connection) -> None:
        ensure_tenant(connection, tenant, now)
        _check_population(connection, tenant, clustering.population)
        known = known_users(connection, tenant, learned_from)
        stale = len(known) < len(learned_from)
        connection.execute(_SAVE, {**row, "trained_users": len(learned_from), "stale": stale})
        connection.execute(_CLEAR_CLUSTERS, key)
        connection.execute(_ADD_CLUSTERS, clusters)
        replace_users(connection, clustering_user, tenant, clustering.version, known)

    database.write(work)


def publish(database: Database, tenant: str, version: str) -> None:
    """Put a stored clustering to use; see `TenantStore.publish_clustering`."""
    check_name("version", version)
    key = {"in_tenant": tenant, "with_version": version}

    def work(connection: Connection) -> None:
        connection.execute(_UNPUBLISH, {"in_tenant": tenant})
        if not connection.execute(_PUBLISH, key).rowcount:
            raise _unknown(version)

    database.write(work)


def load(database: Database, tenant: str, version: str) -> Clustering:
    """Return a stored clustering.

    Raises:
        NotFoundError: The tenant has none of that version.
        ArtefactError: Its bytes are damaged.
    """
    check_name("version", version)
    with database.read() as connection:
        row = connection.execute(_FIND, {"in_tenant": tenant, "with_version": version}).first()
    if row is None:
        raise _unknown(version)
    return decode_clustering(row.state, row.meta, version=row.version)


def published(database: Database, tenant: str) -> Clustering | None:
    """Return the clustering in use, or None.

    Raises:
        ArtefactError: Its bytes are damaged.
    """
    with database.read() as connection:
        row = connection.execute(_PUBLISHED, {"in_tenant": tenant}).first()
    return None if row is None else decode_clustering(row.state, row.meta, version=row.version)


def published_version(database: Database, tenant: str) -> tuple[str, str] | None:
    """Return version and population of the clustering in use, or None."""
    with database.read() as connection:
        row = connection.execute(_PUBLISHED_PLACE, {"in_tenant": tenant}).first()
    return None if row is None else (row.version, row.population)


def rows(database: Database, tenant: str) -> tuple[ClusteringRow, ...]:
    """Return every clustering of a tenant without its state, oldest first."""
    key = {"in_tenant": tenant}
    with database.snapshot() as connection:
        found = connection.execute(_ROWS, key).all()
        members = connection.execute(_CLUSTERS, key).all()
    clusters: dict[str, list[ClusterRow]] = {row.version: [] for row in found}
    for each in members:
        clusters[each.clustering].append(ClusterRow(each.name, each.place, each.size, each.meta))
    return tuple(
        ClusteringRow(
            version=row.version,
            clusterer=row.clusterer,
            population=row.population,
            published=row.published,
            stale=row.stale,
            trained_users=row.trained_users,
            created_at=from_micros(row.created_at),
            meta=row.meta,
            clusters=tuple(clusters[row.version]),
        )
        for row in found
    )


def _row(tenant: str, clustering: Clustering, now: int) -> dict[str, Any]:
    check_name("clusterer", clustering.clusterer)
    check_name("population", clustering.population)
    check_json("clustering meta", dict(clustering.meta))
    return {
        "tenant": tenant,
        "version": clustering.version,
        "clusterer": clustering.clusterer,
        "population": clustering.population,
        "created_at": now,
        "meta": dict(clustering.meta),
        "state": encode_clustering(clustering),
        "published": False,
    }


def _cluster_rows(
    tenant: str, clustering: Clustering, sizes: Sequence[int], about: Sequence[Json]
) -> list[dict[str, Any]]:
    names = clustering.names
    told = about or [{} for _ in names]
    if not names or len(set(names)) < len(names):
        raise InvalidInputError(f"clusters are {list(names)}, expected one or more, each once")
    for what, given in (("sizes", sizes), ("about", told)):
        if len(given) != len(names):
            raise InvalidInputError(
                f"{what} has {len(given)} entries, expected one for each of {len(names)} clusters"
            )
    rows = []
    for place, (name, size, meta) in enumerate(zip(names, sizes, told, strict=True)):
        check_name("cluster", name)
        if isinstance(size, bool) or not 0 <= size <= _MAX_SIZE:
            raise InvalidInputError(f"size of {name!r} is {size!r}, expected a number of users")
        check_json(f"what is told of cluster {name!r}", dict(meta))
        rows.append(
            {
                "tenant": tenant,
                "clustering": clustering.version,
                "name": name,
                "place": place,
                "size": int(size),
                "meta": dict(meta),
            }
        )
    return rows


def _check_population(connection: Connection, tenant: str, version: str) -> None:
    key = {"in_tenant": tenant, "with_version": version}
    if connection.execute(_STANDS_ON, key).first() is None:
        raise NotFoundError(
            f"the clustering stands on population {version!r}, which this tenant does not have",
            remedy="save the population first, or run `persona fit`",
        )


def _unknown(version: str) -> NotFoundError:
    return NotFoundError(
        f"no clustering {version!r} in this tenant", remedy="run `persona cluster`"
    )

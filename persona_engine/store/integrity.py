"""Checks that what the database holds is sound."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, and_, func, literal_column, select

from persona_engine.errors import ArtefactError, StoreError, StoreUnavailableError
from persona_engine.store import schema
from persona_engine.store.codec import decode_clustering, decode_population, decode_posterior
from persona_engine.store.corrections import is_withdrawn
from persona_engine.store.database import Database

_EVENTS = (
    select(
        schema.comparison.c.tenant,
        schema.comparison.c.user,
        func.count(literal_column("1")).label("events"),
    )
    .group_by(schema.comparison.c.tenant, schema.comparison.c.user)
    .subquery()
)
_OVERCOUNTED = (
    select(
        schema.posterior.c.tenant,
        schema.posterior.c.user,
        schema.posterior.c.count,
        func.coalesce(_EVENTS.c.events, 0).label("events"),
    )
    .select_from(schema.posterior)
    .outerjoin(
        _EVENTS,
        and_(
            _EVENTS.c.tenant == schema.posterior.c.tenant,
            _EVENTS.c.user == schema.posterior.c.user,
        ),
    )
    .where(schema.posterior.c.count > func.coalesce(_EVENTS.c.events, 0))
)
_POSTERIORS = select(schema.posterior.c.tenant, schema.posterior.c.user, schema.posterior.c.blob)
_POPULATIONS = select(schema.population)
_CLUSTERINGS = select(schema.clustering)


def faults(database: Database) -> tuple[str, ...]:
    """Return what is wrong with the database, in words; empty when it is sound.

    Raises:
        StoreUnavailableError: It cannot be reached or read.
    """
    try:
        with database.snapshot() as connection:
            found = [] if database.dialect != "sqlite" else list(_file_faults(connection))
            if found:
                return tuple(found)  # rows of a damaged file cannot be trusted to be read
            return (*_count_faults(connection), *_byte_faults(connection))
    except StoreUnavailableError:
        raise
    except StoreError as error:
        return (error.message,)


def _file_faults(connection: Connection) -> Iterator[str]:
    for (line,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if line != "ok":
            yield f"the file is damaged: {line}"
    for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} points to no row of {parent}"


def _count_faults(connection: Connection) -> Iterator[str]:
    for tenant, user, count, events in connection.execute(_OVERCOUNTED):
        yield (
            f"the posterior of user {user!r} in tenant {tenant!r} has seen {count} comparisons, "
            f"but {events} are stored"
        )


def _byte_faults(connection: Connection) -> Iterator[str]:
    rows = connection.execution_options(yield_per=1000).execute(_POSTERIORS)
    for tenant, user, blob in rows:
        try:
            decode_posterior(blob)
        except ArtefactError as error:
            yield f"user {user!r} in tenant {tenant!r}: {error.message}"
    for row in connection.execute(_POPULATIONS):
        if is_withdrawn(row.state):
            continue
        try:
            decode_population(row.state, row.meta, version=row.version)
        except ArtefactError as error:
            yield f"population {row.version!r} in tenant {row.tenant!r}: {error.message}"
    for row in connection.execute(_CLUSTERINGS):
        try:
            decode_clustering(row.state, row.meta, version=row.version)
        except ArtefactError as error:
            yield f"clustering {row.version!r} in tenant {row.tenant!r}: {error.message}"

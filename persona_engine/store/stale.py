"""Deleting what learned from people who are forgotten, once something else is in use."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, select

from persona_engine.store import schema
from persona_engine.store.corrections import WITHDRAW
from persona_engine.store.database import Database

_BATCH = 10_000  # posteriors deleted in one transaction, so that others may write between


def _unused(table: Table, *columns: Any) -> Any:  # noqa: ANN401
    return select(table.c.version, *columns).where(
        table.c.tenant == bindparam("in_tenant"),
        table.c.stale.is_(True),
        table.c.published.is_(False),
    )


def _of_version(table: Table, column: str = "version") -> Any:  # noqa: ANN401
    return delete(table).where(
        table.c.tenant == bindparam("in_tenant"), table.c[column] == bindparam("with_version")
    )


_POPULATIONS = _unused(schema.population, schema.population.c.reward_model)
_CLUSTERINGS = _unused(schema.clustering)
_CLUSTERING_ROWS = (
    _of_version(schema.clustering_user),
    _of_version(schema.cluster, "clustering"),
    _of_version(schema.clustering),
)
_POPULATION_ROWS = (_of_version(schema.population_user), _of_version(schema.correction))
_POPULATION = _of_version(schema.population)
_STOOD_ON = select(schema.clustering.c.version).where(
    schema.clustering.c.tenant == bindparam("in_tenant"),
    schema.clustering.c.population == bindparam("with_version"),
)
_CORRECTED = select(schema.correction.c.version).where(
    schema.correction.c.tenant == bindparam("in_tenant"),
    schema.correction.c.corrects == bindparam("with_version"),
)
_STANDING = (
    schema.posterior.c.tenant == bindparam("in_tenant"),
    schema.posterior.c.reward_model == bindparam("of_model"),
    schema.posterior.c.population == bindparam("with_version"),
)
_USERS = select(schema.posterior.c.user).where(*_STANDING).limit(_BATCH)
_POSTERIORS = delete(schema.posterior).where(
    *_STANDING, schema.posterior.c.user.in_(_USERS.scalar_subquery())
)


def drop(database: Database, tenant: str) -> tuple[str, ...]:
    """Delete what is stale and not in use; see `TenantStore.drop_stale`."""
    of_tenant = {"in_tenant": tenant}
    with database.read() as connection:
        clusterings = connection.execute(_CLUSTERINGS, of_tenant).scalars().all()
        populations = dict(map(tuple, connection.execute(_POPULATIONS, of_tenant).all()))
    gone = [each for each in clusterings if _dropped(database, tenant, each, _drop_clustering)]
    for version, reward_model in populations.items():
        _drop_posteriors(database, tenant, version, reward_model)
    # Those that corrected ones go back to come last: these name them.
    ordered = sorted(populations, key=lambda each: _is_gone_back_to(database, tenant, each))
    gone += [each for each in ordered if _dropped(database, tenant, each, _drop_population)]
    return tuple(gone)


def _dropped(database: Database, tenant: str, version: str, how: Any) -> bool:  # noqa: ANN401
    key = {"in_tenant": tenant, "with_version": version}
    return bool(database.write(lambda connection: how(connection, key)))


def _drop_clustering(connection: Connection, key: dict[str, str]) -> bool:
    for each in _CLUSTERING_ROWS:
        connection.execute(each, key)
    return True


def _drop_population(connection: Connection, key: dict[str, str]) -> bool:
    """Delete a population, or empty it while something points to its row."""
    connection.execute(WITHDRAW, key)
    pointed = (
        connection.execute(_STOOD_ON, key).first() or connection.execute(_CORRECTED, key).first()
    )
    if pointed:
        return False
    for each in (*_POPULATION_ROWS, _POPULATION):
        connection.execute(each, key)
    return True


def _is_gone_back_to(database: Database, tenant: str, version: str) -> bool:
    with database.read() as connection:
        key = {"in_tenant": tenant, "with_version": version}
        return connection.execute(_CORRECTED, key).first() is not None


def _drop_posteriors(database: Database, tenant: str, version: str, reward_model: str) -> None:
    key = {"in_tenant": tenant, "with_version": version, "of_model": reward_model}
    while database.write(lambda connection: connection.execute(_POSTERIORS, key).rowcount):
        pass

"""Populations: what reward models learned from all users, and from whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from persona_engine.errors import NotFoundError
from persona_engine.store.clock import from_micros
from persona_engine.store.codec import decode_population, encode_population
from persona_engine.store.corrections import WITHDRAW, is_withdrawn
from persona_engine.store.database import Database
from persona_engine.store.learned_from import (
    checked_users,
    known_users,
    note_shares,
    replace_users,
)
from persona_engine.store.records import PopulationRow
from persona_engine.store.schema import population as table
from persona_engine.store.schema import population_user
from persona_engine.store.users import ensure_tenant
from persona_engine.store.validate import check_json, check_name, check_text
from persona_engine.types import Population

_OF_TENANT = table.c.tenant == bindparam("in_tenant")
_IN_USE = (
    _OF_TENANT,
    table.c.reward_model == bindparam("of_model"),
    table.c.fingerprint == bindparam("in_space"),
    table.c.published.is_(True),
)
_WITH_VERSION = (_OF_TENANT, table.c.version == bindparam("with_version"))
_NEW = upsert(table)
_SAVE = _NEW.on_conflict_do_update(
    index_elements=[table.c.tenant, table.c.version],
    set_={"trained_users": _NEW.excluded.trained_users, "stale": _NEW.excluded.stale},
)
_PUBLISHED = select(table.c.version, table.c.meta, table.c.state).where(*_IN_USE)
_PUBLISHED_VERSION = select(table.c.version).where(*_IN_USE)
_FIND = select(table.c.version, table.c.meta, table.c.state).where(*_WITH_VERSION)
_PLACE = select(table.c.reward_model, table.c.fingerprint, func.length(table.c.state)).where(
    *_WITH_VERSION
)
_UNPUBLISH = update(table).where(*_IN_USE).values(published=False)
_PUBLISH = update(table).where(*_WITH_VERSION).values(published=True)
_ROWS = (
    select(
        table.c.version,
        table.c.reward_model,
        table.c.fingerprint,
        table.c.published,
        table.c.stale,
        table.c.trained_users,
        table.c.created_at,
        table.c.meta,
    )
    .where(_OF_TENANT)
    .order_by(table.c.created_at, table.c.version)
)


def save(
    database: Database,
    tenant: str,
    population: Population,
    *,
    users: Sequence[str],
    shares: Mapping[str, float],
    now: int,
) -> None:
    """Store a population and whom it learned from; see `TenantStore.save_population`."""
    row = _row(tenant, population, now)
    learned_from = checked_users(users)

    def work(connection: Connection) -> None:
        ensure_tenant(connection, tenant, now)
        known = known_users(connection, tenant, learned_from)
        forgotten = len(known) < len(learned_from)
        about = {"trained_users": len(learned_from), "stale": forgotten}
        connection.execute(_SAVE, {**row, **about})
        replace_users(connection, population_user, tenant, population.version, known)
        note_shares(connection, tenant, population.version, shares)

    database.write(work)


def publish(database: Database, tenant: str, version: str) -> None:
    """Put a stored population to use; see `TenantStore.publish`."""
    check_name("version", version)
    key = {"in_tenant": tenant, "with_version": version}

    def work(connection: Connection) -> None:
        found = connection.execute(_PLACE, key).first()
        if found is None or found[2] == 0:
            raise _unknown(version)
        place = {"in_tenant": tenant, "of_model": found[0], "in_space": found[1]}
        connection.execute(_UNPUBLISH, place)
        connection.execute(_PUBLISH, key)

    database.write(work)


def withdraw(database: Database, tenant: str, version: str) -> None:
    """Take a population out of use and empty it; see `TenantStore.withdraw_population`."""
    check_name("version", version)
    key = {"in_tenant": tenant, "with_version": version}

    def work(connection: Connection) -> None:
        if not connection.execute(WITHDRAW, key).rowcount:
            raise _unknown(version)

    database.write(work)


def load(database: Database, tenant: str, version: str) -> Population:
    """Return a stored population.

    Raises:
        NotFoundError: The tenant has none of that version.
        ArtefactError: Its bytes are damaged.
    """
    check_name("version", version)
    with database.read() as connection:
        row = connection.execute(_FIND, {"in_tenant": tenant, "with_version": version}).first()
    if row is None or is_withdrawn(row.state):
        raise _unknown(version)
    return decode_population(row.state, row.meta, version=row.version)


def published(
    database: Database, tenant: str, reward_model: str, fingerprint: str
) -> Population | None:
    """Return the population in use, or None.

    Raises:
        ArtefactError: Its bytes are damaged.
    """
    place = {"in_tenant": tenant, "of_model": reward_model, "in_space": fingerprint}
    with database.read() as connection:
        row = connection.execute(_PUBLISHED, place).first()
    return None if row is None else decode_population(row.state, row.meta, version=row.version)


def published_version(
    database: Database, tenant: str, reward_model: str, fingerprint: str
) -> str | None:
    """Return the version of the population in use, or None."""
    place = {"in_tenant": tenant, "of_model": reward_model, "in_space": fingerprint}
    with database.read() as connection:
        return connection.execute(_PUBLISHED_VERSION, place).scalar()


def rows(database: Database, tenant: str) -> tuple[PopulationRow, ...]:
    """Return every population of a tenant without its state, oldest first."""
    with database.read() as connection:
        found = connection.execute(_ROWS, {"in_tenant": tenant}).all()
    return tuple(
        PopulationRow(
            version=row.version,
            reward_model=row.reward_model,
            fingerprint=row.fingerprint,
            published=row.published,
            stale=row.stale,
            trained_users=row.trained_users,
            created_at=from_micros(row.created_at),
            meta=row.meta,
        )
        for row in found
    )


def _row(tenant: str, population: Population, now: int) -> dict[str, object]:
    check_name("reward_model", population.reward_model)
    check_text("fingerprint", population.fingerprint)
    check_json("population meta", dict(population.meta))
    return {
        "tenant": tenant,
        "version": population.version,
        "reward_model": population.reward_model,
        "fingerprint": population.fingerprint,
        "created_at": now,
        "meta": dict(population.meta),
        "state": encode_population(population),
        "published": False,
    }


def _unknown(version: str) -> NotFoundError:
    return NotFoundError(
        f"no population {version!r} in this tenant", remedy="save it first, or run `persona fit`"
    )

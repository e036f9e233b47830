"""Populations in use that a forgotten user is taken out of, without a fit.

A corrected population names in ``correction.corrects`` the fitted one whose users it learned from,
so that forgetting the next of them finds it. The one before it is withdrawn: its state, which
depends on the user, is emptied, and its row stays for those that point to it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from persona_engine.store.codec import decode_population, encode_population
from persona_engine.store.database import Database
from persona_engine.store.records import Correction, Unlearning
from persona_engine.store.schema import correction, population_user
from persona_engine.store.schema import population as table
from persona_engine.types import Scope

_OF_TENANT = table.c.tenant == bindparam("in_tenant")
_VERSION = (_OF_TENANT, table.c.version == bindparam("with_version"))
_CORRECTED = select(correction.c.version).where(
    correction.c.tenant == bindparam("in_tenant"),
    correction.c.corrects.in_(bindparam("names", expanding=True)),
)
_SAME = (correction.c.tenant == table.c.tenant) & (correction.c.version == table.c.version)
_LEARNED_IN_USE = (
    _OF_TENANT,
    table.c.published.is_(True),
    or_(
        table.c.version.in_(bindparam("names", expanding=True)),
        correction.c.corrects.in_(bindparam("names", expanding=True)),
    ),
)
_IN_USE = (
    select(
        table.c.version,
        table.c.reward_model,
        table.c.fingerprint,
        table.c.trained_users,
        table.c.meta,
        table.c.state,
        correction.c.corrects,
        correction.c.drift,
    )
    .join(correction, _SAME, isouter=True)
    .where(*_LEARNED_IN_USE)
    .with_for_update(of=table)
)
_PLACES = (
    select(table.c.reward_model, table.c.fingerprint)
    .join(correction, _SAME, isouter=True)
    .where(*_LEARNED_IN_USE)
)
_LEARNED_FROM = select(population_user.c.version, population_user.c.share).where(
    population_user.c.tenant == bindparam("in_tenant"),
    population_user.c.user == bindparam("of_user"),
)
_CORRECTS = select(correction.c.corrects).where(
    correction.c.tenant == bindparam("in_tenant"), correction.c.version == bindparam("with_version")
)
_WITH_STATE = select(table.c.version).where(
    _OF_TENANT,
    table.c.version.in_(bindparam("names", expanding=True)),
    func.length(table.c.state) > 0,
)
_MARK = (
    update(table)
    .where(_OF_TENANT, table.c.version.in_(bindparam("names", expanding=True)))
    .values(stale=True)
)
WITHDRAW = update(table).where(*_VERSION).values(published=False, state=b"")
_ADD = insert(table)
_NEW_NOTE = upsert(correction)
_NOTE = _NEW_NOTE.on_conflict_do_update(
    index_elements=[correction.c.tenant, correction.c.version],
    set_={"corrects": _NEW_NOTE.excluded.corrects, "drift": _NEW_NOTE.excluded.drift},
)


def is_withdrawn(state: bytes) -> bool:
    """Return whether a population was withdrawn: nothing is left of what it learned."""
    return len(state) == 0


def lineage(database: Database, tenant: str, version: str) -> str:
    """Return the fitted population that a version goes back to."""
    with database.read() as connection:
        found = connection.execute(_CORRECTS, {"in_tenant": tenant, "with_version": version})
        return found.scalar() or version


def taught(database: Database, scope: Scope) -> frozenset[tuple[str, str]]:
    """Return reward model and feature space of the populations in use that learned from a user."""
    key = {"in_tenant": scope.tenant, "of_user": scope.user}
    with database.read() as connection:
        names = list(connection.execute(_LEARNED_FROM, key).scalars())
        if not names:
            return frozenset()
        key_of_all = {"in_tenant": scope.tenant, "names": names}
        return frozenset(map(tuple, connection.execute(_PLACES, key_of_all).all()))


def take_out(
    connection: Connection,
    scope: Scope,
    unlearning: Unlearning | None,
    *,
    now: int,
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Take a user out of every population in use that learned from them.

    Args:
        connection: The running transaction.
        scope: The user.
        unlearning: How; without it, they are only marked.
        now: The time in µs.

    Returns:
        Versions that were marked for fitting again, and what took the place of what.
    """
    tenant = scope.tenant
    mine = {"in_tenant": tenant, "of_user": scope.user}
    shares = dict(map(tuple, connection.execute(_LEARNED_FROM, mine).all()))
    fitted = sorted(shares)
    if not fitted:
        return (), {}
    key: dict[str, Any] = {"in_tenant": tenant, "names": fitted}
    names = [*fitted, *sorted(connection.execute(_CORRECTED, key).scalars())]
    marked = tuple(sorted(connection.execute(_WITH_STATE, {**key, "names": names}).scalars()))
    connection.execute(_MARK, {**key, "names": names})
    done: dict[str, str] = {}
    if unlearning is None:
        return marked, done
    for row in connection.execute(_IN_USE, key).all():
        population = decode_population(row.state, row.meta, version=row.version)
        share = shares[row.corrects if row.corrects in shares else row.version]
        corrected = unlearning.correct(population, share)
        if corrected is None:
            continue
        drift = row.drift or 0.0
        if drift + corrected.moved <= unlearning.tolerance:
            note = {"version": row.version, "corrects": row.corrects}
            note["drift"] = drift + corrected.moved
            done[row.version] = row.version
        else:
            note = {"version": corrected.population.version, "drift": drift}
            note["corrects"] = row.corrects or row.version
            done[row.version] = corrected.population.version
            _replace(connection, tenant, row, corrected, now)
        connection.execute(_NOTE, {"tenant": tenant, **note})
    return marked, done


def _replace(
    connection: Connection,
    tenant: str,
    row: Any,  # noqa: ANN401
    corrected: Correction,
    now: int,
) -> None:
    """Put the corrected population in the place of the one in use."""
    new = corrected.population
    connection.execute(WITHDRAW, {"in_tenant": tenant, "with_version": row.version})
    connection.execute(
        _ADD,
        {
            "tenant": tenant,
            "version": new.version,
            "reward_model": row.reward_model,
            "fingerprint": row.fingerprint,
            "published": True,
            "stale": True,
            "trained_users": max(0, row.trained_users - 1),
            "created_at": now,
            "meta": dict(new.meta),
            "state": encode_population(new),
        },
    )

"""Posteriors: one row per user, reward model and population, with an optimistic lock."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from persona_engine.errors import ArtefactError, ConflictError, InvalidInputError
from persona_engine.store.codec import decode_posterior, encode_posterior
from persona_engine.store.database import Database, WriteRaceError
from persona_engine.store.prepared import Prepared
from persona_engine.store.records import Fold
from persona_engine.store.schema import comparison
from persona_engine.store.schema import posterior as table
from persona_engine.store.users import ensure_user
from persona_engine.types import Posterior, Scope

STAMP_BITS = 40  # sums of millions of stamps stay within 64 bits

_KEY = (
    table.c.tenant == bindparam("in_tenant"),
    table.c.user == bindparam("of_user"),
    table.c.reward_model == bindparam("of_model"),
    table.c.population == bindparam("of_population"),
)
_OF_MODEL = (
    table.c.tenant == bindparam("in_tenant"),
    table.c.reward_model == bindparam("of_model"),
    table.c.population == bindparam("of_population"),
)
_FIND = Prepared(select(table.c.version, table.c.blob).where(*_KEY))
_EVENTS = (
    select(func.count())
    .where(comparison.c.tenant == bindparam("in_tenant"), comparison.c.user == bindparam("of_user"))
    .select_from(comparison)
    .scalar_subquery()
)
_FOLDED = Prepared(  # one row, whether there is a posterior or not
    select(_EVENTS, table.c.version, table.c.blob).select_from(
        select(literal_column("1").label("one")).subquery().outerjoin(table, and_(*_KEY))
    )
)
_INSERT = insert(table)
_UPDATE = Prepared(
    update(table).where(*_KEY, table.c.version == bindparam("expected")),
    columns=("count", "version", "stamp", "updated_at", "blob"),
)
_DELETE = delete(table).where(*_KEY)
_GENERATION = select(func.count(), func.coalesce(func.sum(table.c.stamp), 0)).where(*_OF_MODEL)
_PAGE = (
    select(table.c.user, table.c.blob)
    .where(*_OF_MODEL, table.c.user > bindparam("after"))
    .order_by(table.c.user)
    .limit(bindparam("batch"))
)


def load(
    database: Database, scope: Scope, reward_model: str, population: str
) -> tuple[Posterior, int] | None:
    """Return a user's posterior and its version, or None.

    Raises:
        ArtefactError: The stored bytes are damaged.
    """
    with database.read() as connection:
        row = _FIND.execute(connection, _key(scope, reward_model, population)).fetchone()
    return None if row is None else (decode_posterior(row[1]), row[0])


def store(
    database: Database, scope: Scope, posterior: Posterior, *, expected: int | None, now: int
) -> int:
    """Write a posterior over version ``expected`` (None: there is none) and return its version.

    Raises:
        ConflictError: Somebody else wrote since.
    """

    def work(connection: Connection) -> int:
        ensure_user(connection, scope, now)
        key = _key(scope, posterior.reward_model, posterior.population)
        found = _FIND.execute(connection, key).fetchone()
        version = None if found is None else found[0]
        if version != expected:
            raise ConflictError(
                f"the posterior is at version {version}, expected {expected}",
                remedy="read it again and repeat the update",
            )
        return _write(connection, scope, posterior, expected, now)

    return database.write(work, scope=scope)


def drop(database: Database, scope: Scope, reward_model: str, population: str) -> None:
    """Delete a user's posterior; nothing happens when there is none."""
    key = _key(scope, reward_model, population)
    database.write(lambda connection: connection.execute(_DELETE, key), scope=scope)


def fold_in(connection: Connection, scope: Scope, fold: Fold, now: int) -> None:
    """Change the posterior by ``fold``, within the running transaction.

    A posterior whose bytes are damaged counts as none: the events are the truth, and feedback must
    not be lost for the sake of what can be built from it.
    """
    key = _key(scope, fold.reward_model, fold.population)
    events, version, blob = _FOLDED.execute(connection, key).fetchone()
    after = fold.apply(None if version is None else _readable(blob), events)
    if after is None:
        if version is not None:
            connection.execute(_DELETE, key)
        return
    if (after.reward_model, after.population) != (fold.reward_model, fold.population):
        raise InvalidInputError(
            f"the fold gave a posterior of {(after.reward_model, after.population)}, "
            f"expected {(fold.reward_model, fold.population)}"
        )
    _write(connection, scope, after, version, now)


def iter_posteriors(
    database: Database, tenant: str, reward_model: str, population: str, *, batch: int
) -> Iterator[tuple[str, Posterior]]:
    """Yield a tenant's users with their posteriors, sorted by user."""
    after = ""
    while True:
        parameters = _model_key(tenant, reward_model, population)
        with database.read() as connection:
            page = connection.execute(_PAGE, {**parameters, "after": after, "batch": batch}).all()
        for row in page:
            yield row.user, decode_posterior(row.blob)
        if len(page) < batch:
            return
        after = page[-1].user


def generation(database: Database, tenant: str, reward_model: str, population: str) -> str:
    """Return a text that differs between any two states of these posteriors.

    Every write draws a random stamp; the count and the sum of the stamps tell two states apart
    (they agree by chance once in 2⁴⁰), whatever the clock says.
    """
    with database.read() as connection:
        parameters = _model_key(tenant, reward_model, population)
        count, total = connection.execute(_GENERATION, parameters).one()
    return f"{count}-{int(total)}"


def _write(
    connection: Connection, scope: Scope, posterior: Posterior, expected: int | None, now: int
) -> int:
    values = {
        "count": posterior.count,
        "version": (expected or 0) + 1,
        "stamp": secrets.randbits(STAMP_BITS),
        "updated_at": now,
        "blob": encode_posterior(posterior),
    }
    if expected is None:
        connection.execute(
            _INSERT,
            {
                "tenant": scope.tenant,
                "user": scope.user,
                "reward_model": posterior.reward_model,
                "population": posterior.population,
                **values,
            },
        )
        return 1
    key = _key(scope, posterior.reward_model, posterior.population)
    done = _UPDATE.execute(connection, {**values, **key, "expected": expected})
    if done.rowcount != 1:
        raise WriteRaceError
    return expected + 1


def _readable(blob: bytes) -> Posterior | None:
    try:
        return decode_posterior(blob)
    except ArtefactError:
        return None


def _key(scope: Scope, reward_model: str, population: str) -> dict[str, str]:
    return {**_model_key(scope.tenant, reward_model, population), "of_user": scope.user}


def _model_key(tenant: str, reward_model: str, population: str) -> dict[str, str]:
    return {"in_tenant": tenant, "of_model": reward_model, "of_population": population}

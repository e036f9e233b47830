"""Many users' rows at once: comparisons of an import, posteriors that were inferred in bulk."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from persona_engine.store.clock import to_micros
from persona_engine.store.codec import encode_posterior
from persona_engine.store.database import Database
from persona_engine.store.embeddings import batched
from persona_engine.store.learned_from import known_users
from persona_engine.store.posteriors import STAMP_BITS
from persona_engine.store.records import NewComparison
from persona_engine.store.schema import app_user, comparison, posterior
from persona_engine.store.users import ensure_tenant
from persona_engine.types import Posterior

# PostgreSQL's insert compiles on SQLite as well.
_NEW_USERS = insert(app_user).on_conflict_do_nothing()
_NEW_EVENTS = insert(comparison).on_conflict_do_nothing()
_RETURNING = _NEW_EVENTS.returning(comparison.c.id)
_STORED = select(comparison.c.id).where(
    comparison.c.tenant == bindparam("in_tenant"),
    comparison.c.user == bindparam("of_user"),
    comparison.c.id == bindparam("with_id"),
)
_COUNTS = (
    select(comparison.c.user, func.count())
    .where(comparison.c.tenant == bindparam("in_tenant"), comparison.c.user > bindparam("after"))
    .group_by(comparison.c.user)
    .order_by(comparison.c.user)
    .limit(bindparam("batch"))
)
_NEW = insert(posterior)
_POSTERIORS = _NEW.on_conflict_do_update(
    index_elements=[
        posterior.c.tenant,
        posterior.c.user,
        posterior.c.reward_model,
        posterior.c.population,
    ],
    set_={
        "count": _NEW.excluded.count,
        "version": posterior.c.version + 1,
        "stamp": _NEW.excluded.stamp,
        "updated_at": _NEW.excluded.updated_at,
        "blob": _NEW.excluded.blob,
    },
    where=posterior.c.count <= _NEW.excluded.count,
)
_SEEN = select(posterior.c.user, posterior.c.count).where(
    posterior.c.tenant == bindparam("in_tenant"),
    posterior.c.reward_model == bindparam("of_model"),
    posterior.c.population == bindparam("of_population"),
    posterior.c.user.in_(bindparam("names", expanding=True)),
)


@dataclass(frozen=True, slots=True)
class ImportedComparison:
    """One comparison of an import.

    Args:
        user: Whose.
        new: What was compared.
        key: Names it for good: what has the same key is the same comparison.
        made: When it was made; at the time of the import if None.
    """

    user: str
    new: NewComparison
    key: str
    made: datetime | None = None

    @property
    def id(self) -> str:
        """The id of its row."""
        return hashlib.blake2b(
            self.key.encode("utf-8", "surrogatepass"), digest_size=16
        ).hexdigest()


def import_comparisons(
    database: Database, tenant: str, new: Sequence[ImportedComparison], *, now: int
) -> int:
    """Write comparisons that are not stored yet, in one transaction; return how many those were."""
    rows = [_row(tenant, each, now) for each in new]
    users = sorted({each.user for each in new})  # one order: no deadlocks

    def work(connection: Connection) -> int:
        ensure_tenant(connection, tenant, now)
        people = [{"tenant": tenant, "user": user, "created_at": now} for user in users]
        connection.execute(_NEW_USERS, people)
        if connection.dialect.name == "sqlite":
            return connection.execute(_NEW_EVENTS, rows).rowcount
        return len(connection.execute(_RETURNING, rows).all())  # psycopg counts no batches

    return database.write(work) if rows else 0


def is_imported(database: Database, tenant: str, event: ImportedComparison) -> bool:
    """Return whether a comparison is stored."""
    key = {"in_tenant": tenant, "of_user": event.user, "with_id": event.id}
    with database.read() as connection:
        return connection.execute(_STORED, key).first() is not None


def iter_counts(database: Database, tenant: str, *, batch: int) -> Iterator[tuple[str, int]]:
    """Yield each user who has compared anything, and how often, sorted by user."""
    after = ""
    while True:
        parameters = {"in_tenant": tenant, "after": after, "batch": batch}
        with database.read() as connection:
            page = connection.execute(_COUNTS, parameters).all()
        yield from ((user, int(count)) for user, count in page)
        if len(page) < batch:
            return
        after = page[-1][0]


def posterior_counts(
    database: Database, tenant: str, reward_model: str, population: str, users: Sequence[str]
) -> dict[str, int]:
    """Return how many comparisons the posteriors of some users have seen."""
    seen: dict[str, int] = {}
    for some in batched(users):
        parameters = {
            "in_tenant": tenant,
            "of_model": reward_model,
            "of_population": population,
            "names": some,
        }
        with database.read() as connection:
            seen.update((user, count) for user, count in connection.execute(_SEEN, parameters))
    return seen


def save_posteriors(
    database: Database, tenant: str, found: Sequence[tuple[str, Posterior]], *, now: int
) -> int:
    """Write many users' posteriors in one transaction; return how many users there still are.

    One that has seen more comparisons than what is given stays; who was forgotten is passed over.
    """
    rows = [
        {
            "tenant": tenant,
            "user": user,
            "reward_model": each.reward_model,
            "population": each.population,
            "count": each.count,
            "version": 1,
            "stamp": secrets.randbits(STAMP_BITS),
            "updated_at": now,
            "blob": encode_posterior(each),
        }
        for user, each in sorted(found, key=lambda pair: pair[0])  # one order: no deadlocks
    ]

    def work(connection: Connection) -> int:
        known = set(known_users(connection, tenant, [str(row["user"]) for row in rows]))
        present = [row for row in rows if row["user"] in known]
        if present:
            connection.execute(_POSTERIORS, present)
        return len(present)

    return database.write(work) if rows else 0


def _row(tenant: str, event: ImportedComparison, now: int) -> dict[str, Any]:
    new = event.new
    return {
        "tenant": tenant,
        "user": event.user,
        "id": event.id,
        "created_at": now if event.made is None else to_micros(event.made),
        "weight": float(new.weight),
        "tie": new.tie,
        "source": new.source,
        "question": None,
        "reply": None,
        "idempotency_key": None,
        "ordinal": 0,
        "prompt": new.prompt,
        "chosen": new.chosen,
        "rejected": new.rejected,
    }

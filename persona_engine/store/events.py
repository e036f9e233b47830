"""Feedback as append-only events: comparisons, and the posterior that they change."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, tuple_

from persona_engine.errors import ConflictError, InvalidInputError
from persona_engine.store import posteriors, replies
from persona_engine.store.clock import from_micros
from persona_engine.store.database import Database
from persona_engine.store.prepared import Prepared
from persona_engine.store.records import Fold, NewComparison
from persona_engine.store.schema import comparison as table
from persona_engine.store.users import ensure_user
from persona_engine.store.validate import check_name, check_number, check_text
from persona_engine.types import Comparison, Scope

MAX_WEIGHT = 1e6

_OF_USER = (table.c.tenant == bindparam("in_tenant"), table.c.user == bindparam("of_user"))
_COLUMNS = (
    table.c.id,
    table.c.prompt,
    table.c.chosen,
    table.c.rejected,
    table.c.weight,
    table.c.tie,
    table.c.source,
    table.c.created_at,
    table.c.question,
    table.c.reply,
)
_INSERT = Prepared(
    insert(table).inline(),
    columns=tuple(column.name for column in table.columns if column.name != "sequence"),
)
_ALL = select(*_COLUMNS).where(*_OF_USER).order_by(table.c.sequence)
_COUNT = Prepared(select(func.count()).select_from(table).where(*_OF_USER))
_NEWEST = (
    select(table.c.created_at)
    .where(table.c.tenant == bindparam("in_tenant"))
    .order_by(table.c.sequence.desc())
    .limit(1)
)
_BY_KEY = (
    select(*_COLUMNS)
    .where(*_OF_USER, table.c.idempotency_key == bindparam("key"))
    .order_by(table.c.ordinal)
)
_PAGE = (
    select(table.c.user, table.c.sequence, *_COLUMNS)
    .where(
        table.c.tenant == bindparam("in_tenant"),
        tuple_(table.c.user, table.c.sequence)
        > tuple_(bindparam("after_user"), bindparam("after_sequence")),
    )
    .order_by(table.c.user, table.c.sequence)
    .limit(bindparam("batch"))
)


def record(
    database: Database,
    scope: Scope,
    new: Sequence[NewComparison],
    *,
    key: str | None,
    fold: Fold | None,
    now: int,
) -> tuple[Comparison, ...]:
    """Write events and the posterior that they change; see `UserStore.record`."""
    for each in new:
        check_comparison(each)
    if key is not None:
        check_name("idempotency_key", key)
    if not new:
        return ()
    rows = [_row(scope, each, ordinal, key, now) for ordinal, each in enumerate(new)]

    def work(connection: Connection) -> tuple[Comparison, ...]:
        earlier = () if key is None else _earlier(connection, scope, key, new)
        if earlier:
            return earlier
        for row in rows:
            _INSERT.execute(connection, row)
        if fold is not None:
            posteriors.fold_in(connection, scope, fold, now)
        return tuple(_event(row) for row in rows)

    def repair(connection: Connection) -> None:
        ensure_user(connection, scope, now)
        for each in new:
            if each.reply is not None:
                replies.require(connection, scope, each.reply)

    return database.write(work, scope=scope, repair=repair)


def comparisons(database: Database, scope: Scope) -> tuple[Comparison, ...]:
    """Return a user's comparisons, oldest first."""
    with database.read() as connection:
        rows = connection.execute(_ALL, {"in_tenant": scope.tenant, "of_user": scope.user}).all()
    return tuple(_event(row._mapping) for row in rows)


def newest(database: Database, tenant: str) -> datetime | None:
    """Return when a tenant's comparison that was written last was made, or None without any."""
    with database.read() as connection:
        found = connection.execute(_NEWEST, {"in_tenant": tenant}).scalar()
    return None if found is None else from_micros(found)


def count(database: Database, scope: Scope) -> int:
    """Return how many comparisons a user has made."""
    with database.read() as connection:
        row = _COUNT.execute(
            connection, {"in_tenant": scope.tenant, "of_user": scope.user}
        ).fetchone()
    return 0 if row is None else int(row[0])


def iter_comparisons(
    database: Database, tenant: str, *, batch: int
) -> Iterator[tuple[str, Comparison]]:
    """Yield a tenant's comparisons with their users: sorted by user, then oldest first."""
    user, sequence = "", 0
    while True:
        parameters = {
            "in_tenant": tenant,
            "after_user": user,
            "after_sequence": sequence,
            "batch": batch,
        }
        with database.read() as connection:
            page = connection.execute(_PAGE, parameters).all()
        for row in page:
            yield row.user, _event(row._mapping)
        if len(page) < batch:
            return
        user, sequence = page[-1].user, page[-1].sequence


def check_comparison(new: NewComparison) -> None:
    """Raise `InvalidInputError` unless every field can be stored."""
    check_text("prompt", new.prompt)
    check_text("chosen", new.chosen)
    check_text("rejected", new.rejected)
    check_number("weight", new.weight, low=0.0, high=MAX_WEIGHT)
    if not isinstance(new.tie, bool):
        raise InvalidInputError(f"tie is {new.tie!r}, expected True or False")
    check_name("source", new.source)
    if new.question is not None:
        check_name("question", new.question)
    if new.reply is not None:
        check_name("reply", new.reply)


def _earlier(
    connection: Connection, scope: Scope, key: str, new: Sequence[NewComparison]
) -> tuple[Comparison, ...]:
    parameters = {"in_tenant": scope.tenant, "of_user": scope.user, "key": key}
    found = tuple(_event(row._mapping) for row in connection.execute(_BY_KEY, parameters))
    if found and [_content(each) for each in found] != [_content(each) for each in new]:
        raise ConflictError(
            f"idempotency_key {key!r} was used before, for other feedback",
            remedy="use a new key for new feedback",
        )
    return found


def _content(event: Comparison | NewComparison) -> tuple[object, ...]:
    return (
        event.prompt,
        event.chosen,
        event.rejected,
        float(event.weight),
        event.tie,
        event.source,
        event.question,
        event.reply,
    )


def _row(
    scope: Scope, new: NewComparison, ordinal: int, key: str | None, now: int
) -> dict[str, Any]:
    return {
        "tenant": scope.tenant,
        "user": scope.user,
        "id": uuid.uuid4().hex,
        "created_at": now,
        "weight": float(new.weight),
        "tie": new.tie,
        "source": new.source,
        "question": new.question,
        "reply": new.reply,
        "idempotency_key": key,
        "ordinal": ordinal,
        "prompt": new.prompt,
        "chosen": new.chosen,
        "rejected": new.rejected,
    }


def _event(row: Mapping[Any, Any]) -> Comparison:
    return Comparison(
        id=row["id"],
        prompt=row["prompt"],
        chosen=row["chosen"],
        rejected=row["rejected"],
        weight=row["weight"],
        tie=bool(row["tie"]),
        source=row["source"],
        created_at=from_micros(row["created_at"]),
        question=row["question"],
        reply=row["reply"],
    )

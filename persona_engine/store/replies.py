"""Replies that were given, and the ratings that they got."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Row, bindparam, insert, select, tuple_

from persona_engine.errors import ConflictError, NotFoundError
from persona_engine.store.clock import from_micros
from persona_engine.store.database import Database
from persona_engine.store.records import RatingRow, StoredReply
from persona_engine.store.schema import rating, reply
from persona_engine.store.users import ensure_user
from persona_engine.store.validate import check_json, check_name, check_number, check_text
from persona_engine.types import Conversation, Scope

MAX_RATING = 1e6

_KEY = (
    reply.c.tenant == bindparam("in_tenant"),
    reply.c.user == bindparam("of_user"),
    reply.c.id == bindparam("with_id"),
)
_FIND = select(reply).where(*_KEY)
_EXISTS = select(reply.c.id).where(*_KEY)
_PROMPTS = (
    select(reply.c.prompt)
    .where(reply.c.tenant == bindparam("in_tenant"), reply.c.user == bindparam("of_user"))
    .order_by(reply.c.created_at.desc(), reply.c.id)
    .limit(bindparam("most"))
)
_INSERT = insert(reply)
_INSERT_RATING = insert(rating).inline()
_PAGE = (
    select(reply)
    .where(
        reply.c.tenant == bindparam("in_tenant"),
        tuple_(reply.c.user, reply.c.id) > tuple_(bindparam("after_user"), bindparam("after_id")),
    )
    .order_by(reply.c.user, reply.c.id)
    .limit(bindparam("batch"))
)
_VALUES = (
    select(rating.c.reply, rating.c.value)
    .where(
        rating.c.tenant == bindparam("in_tenant"),
        rating.c.user == bindparam("of_user"),
    )
    .order_by(rating.c.created_at, rating.c.sequence)
)
_RATINGS = (
    select(reply.c.id, reply.c.prompt, reply.c.text, rating.c.value, rating.c.created_at)
    .join(
        reply,
        (reply.c.tenant == rating.c.tenant)
        & (reply.c.user == rating.c.user)
        & (reply.c.id == rating.c.reply),
    )
    .where(
        rating.c.tenant == bindparam("in_tenant"),
        rating.c.user == bindparam("of_user"),
    )
    .order_by(rating.c.created_at, rating.c.id)
)
_RATING_BY_KEY = select(rating.c.id, rating.c.reply, rating.c.value).where(
    rating.c.tenant == bindparam("in_tenant"),
    rating.c.user == bindparam("of_user"),
    rating.c.idempotency_key == bindparam("key"),
)


def save(
    database: Database,
    scope: Scope,
    reply_id: str,
    *,
    prompt: Conversation,
    text: str,
    candidates: Sequence[str],
    trace: Mapping[str, Any],
    now: int,
) -> None:
    """Store a reply for later feedback; see `UserStore.save_reply`."""
    row = {
        "tenant": scope.tenant,
        "user": scope.user,
        "id": reply_id,
        "created_at": now,
        "prompt": [dict(message) for message in prompt],
        "text": text,
        "candidates": list(candidates),
        "trace": dict(trace),
    }
    check_reply(row)

    def work(connection: Connection) -> None:
        ensure_user(connection, scope, now)
        if connection.execute(_EXISTS, _key(scope, reply_id)).first() is not None:
            raise ConflictError(f"reply {reply_id!r} is stored already")
        connection.execute(_INSERT, row)

    database.write(work, scope=scope)


def check_reply(row: Mapping[str, Any]) -> None:
    """Raise `InvalidInputError` unless every field can be stored."""
    check_name("reply id", row["id"])
    check_text("text", row["text"])
    for candidate in row["candidates"]:
        check_text("candidate", candidate)
    check_json("prompt", row["prompt"])
    check_json("trace", row["trace"])


def load(database: Database, scope: Scope, reply_id: str) -> StoredReply:
    """Return a stored reply.

    Raises:
        NotFoundError: This user has no such reply.
    """
    check_name("reply id", reply_id)
    with database.read() as connection:
        row = connection.execute(_FIND, _key(scope, reply_id)).first()
    if row is None:
        raise _unknown(reply_id)
    return _stored(row)


def iter_replies(
    database: Database, tenant: str, *, batch: int
) -> Iterator[tuple[str, StoredReply]]:
    """Yield a tenant's replies with the users whom they were given to: sorted by user."""
    user, reply_id = "", ""
    while True:
        after = {"after_user": user, "after_id": reply_id}
        with database.read() as connection:
            page = connection.execute(_PAGE, {"in_tenant": tenant, "batch": batch, **after}).all()
        for row in page:
            yield row.user, _stored(row)
        if len(page) < batch:
            return
        user, reply_id = page[-1].user, page[-1].id


def rating_values(database: Database, scope: Scope) -> dict[str, float]:
    """Return a user's newest rating of each rated reply, by the reply's id."""
    with database.read() as connection:
        rows = connection.execute(_VALUES, {"in_tenant": scope.tenant, "of_user": scope.user})
        return {row.reply: row.value for row in rows}


def require(connection: Connection, scope: Scope, reply_id: str) -> None:
    """Raise `NotFoundError` unless this user was given this reply."""
    if connection.execute(_EXISTS, _key(scope, reply_id)).first() is None:
        raise _unknown(reply_id)


def prompts(database: Database, scope: Scope, most: int) -> tuple[Conversation, ...]:
    """Return what a user's latest replies answered, latest first."""
    parameters = {"in_tenant": scope.tenant, "of_user": scope.user, "most": most}
    with database.read() as connection:
        return tuple(connection.execute(_PROMPTS, parameters).scalars())


def rate(
    database: Database, scope: Scope, reply_id: str, value: float, *, key: str | None, now: int
) -> str:
    """Record a rating and return its id; see `UserStore.rate`."""
    check_name("reply id", reply_id)
    check_number("rating", value, low=-MAX_RATING, high=MAX_RATING)
    if key is not None:
        check_name("idempotency_key", key)
    row = {
        "tenant": scope.tenant,
        "user": scope.user,
        "id": uuid.uuid4().hex,
        "created_at": now,
        "reply": reply_id,
        "value": float(value),
        "idempotency_key": key,
    }

    def work(connection: Connection) -> str:
        earlier = None if key is None else _earlier(connection, scope, key, reply_id, value)
        if earlier is not None:
            return earlier
        require(connection, scope, reply_id)
        connection.execute(_INSERT_RATING, row)
        return str(row["id"])

    return database.write(work, scope=scope)


def ratings(database: Database, scope: Scope) -> tuple[RatingRow, ...]:
    """Return a user's newest rating of each reply, oldest first."""
    with database.read() as connection:
        rows = connection.execute(
            _RATINGS, {"in_tenant": scope.tenant, "of_user": scope.user}
        ).all()
    newest = {row.id: row for row in rows}
    return tuple(
        RatingRow(tuple(row.prompt), row.text, row.value, from_micros(row.created_at))
        for row in newest.values()
    )


def _earlier(
    connection: Connection, scope: Scope, key: str, reply_id: str, value: float
) -> str | None:
    parameters = {"in_tenant": scope.tenant, "of_user": scope.user, "key": key}
    found = connection.execute(_RATING_BY_KEY, parameters).first()
    if found is None:
        return None
    if (found.reply, found.value) != (reply_id, float(value)):
        raise ConflictError(
            f"idempotency_key {key!r} was used before, for another rating",
            remedy="use a new key for a new rating",
        )
    return str(found.id)


def _stored(row: Row[*tuple[Any, ...]]) -> StoredReply:
    return StoredReply(
        id=row.id,
        prompt=tuple(row.prompt),
        text=row.text,
        candidates=tuple(row.candidates),
        trace=cast("Mapping[str, Any]", row.trace),
        created_at=from_micros(row.created_at),
    )


def _key(scope: Scope, reply_id: str) -> dict[str, str]:
    return {"in_tenant": scope.tenant, "of_user": scope.user, "with_id": reply_id}


def _unknown(reply_id: str) -> NotFoundError:
    return NotFoundError(
        f"no reply {reply_id!r} for this user", remedy="pass the id of a reply given to this user"
    )

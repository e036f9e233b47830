"""Answers to requests that carried an idempotency key: done once, told again."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update

from persona_engine.store.audit import subject
from persona_engine.store.clock import Clock, to_micros
from persona_engine.store.database import Database
from persona_engine.store.schema import idempotency as table
from persona_engine.store.users import ensure_tenant

_KEY = (
    table.c.tenant == bindparam("in_tenant"),
    table.c.api_key == bindparam("of_api_key"),
    table.c.key == bindparam("with_key"),
)
_MINE = (*_KEY, table.c.run == bindparam("my_run"))
_FIND = select(table).where(*_KEY)
_INSERT = insert(table).inline()
_DROP_OVER = delete(table).where(table.c.expires_at <= bindparam("now"))
_FINISH = (
    update(table)
    .where(*_MINE)
    .values(
        status=bindparam("new_status"),
        headers=bindparam("new_headers"),
        body=bindparam("new_body"),
        subject=bindparam("new_subject"),
        expires_at=bindparam("new_end"),
    )
)
_ABANDON = delete(table).where(*_MINE)
_MAY_TELL = (
    table.c.tenant == bindparam("in_tenant"),
    or_(table.c.subject == bindparam("of_subject"), table.c.subject.is_(None)),
)
_FORGET = delete(table).where(*_MAY_TELL)
# Of the same length: SQLite then writes over the row where it is; see `store.scrub`.
_BLANK = update(table).where(*_MAY_TELL).values(body=func.zeroblob(func.length(table.c.body)))


@dataclass(frozen=True, slots=True)
class Requested:
    """A request with an idempotency key.

    Args:
        tenant: Whose.
        api_key: Of which key; another key's answers are never told.
        key: The idempotency key.
        request: The sha256 of what was asked.
    """

    tenant: str
    api_key: str
    key: str
    request: str


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it was sent; without a body where that was too large to be kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Claim:
    """What is known of a request.

    Args:
        state: ``mine`` to be done now; ``running`` while somebody else does it; ``done``; or
            ``other``, when the key was used for something else.
        run: What `finish` and `abandon` want, where it is mine.
        answer: Where it is done.
    """

    state: Literal["mine", "running", "done", "other"]
    run: str = ""
    answer: StoredAnswer | None = None


class Idempotency:
    """The answers of every tenant; made by `Store.idempotency`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def claim(self, asked: Requested, *, seconds: float) -> Claim:
        """Say whether a request is to be done, by whoever asks first.

        Args:
            asked: The request.
            seconds: How long it may run: a process that died leaves it to others then.
        """
        now = self._clock()
        run = uuid.uuid4().hex
        row = {
            "tenant": asked.tenant,
            "api_key": asked.api_key,
            "key": asked.key,
            "request": asked.request,
            "run": run,
            "expires_at": to_micros(now + timedelta(seconds=seconds)),
        }

        def work(connection: Connection) -> Claim:
            connection.execute(_DROP_OVER, {"now": to_micros(now)})
            found = connection.execute(_FIND, _named(asked)).one_or_none()
            if found is not None:
                return _claim(found, asked)
            ensure_tenant(connection, asked.tenant, to_micros(now))
            connection.execute(_INSERT, row)
            return Claim("mine", run)

        return self._database.write(work)

    def finish(
        self, asked: Requested, run: str, answer: StoredAnswer, *, user: str | None, seconds: float
    ) -> None:
        """Keep the answer for so long; forgetting ``user``, or anybody if None, drops it."""
        row = {
            **_named(asked),
            "my_run": run,
            "new_status": answer.status,
            "new_headers": json.dumps(dict(answer.headers)),
            "new_body": answer.body,
            "new_subject": None if user is None else subject(user),
            "new_end": to_micros(self._clock() + timedelta(seconds=seconds)),
        }
        self._database.write(lambda connection: connection.execute(_FINISH, row))

    def abandon(self, asked: Requested, run: str) -> None:
        """Let the request be made again: it was not done."""
        named = {**_named(asked), "my_run": run}
        self._database.write(lambda connection: connection.execute(_ABANDON, named))


def forget(connection: Connection, tenant: str, user: str) -> int:
    """Delete the answers that may tell of a user, in the running transaction."""
    named = {"in_tenant": tenant, "of_subject": subject(user)}
    if connection.dialect.name == "sqlite":
        connection.execute(_BLANK, named)
    return connection.execute(_FORGET, named).rowcount


def _named(asked: Requested) -> dict[str, str]:
    return {"in_tenant": asked.tenant, "of_api_key": asked.api_key, "with_key": asked.key}


def _claim(row: Any, asked: Requested) -> Claim:  # noqa: ANN401  # a row
    if row.request != asked.request:
        return Claim("other")
    if row.status is None:
        return Claim("running")
    return Claim("done", answer=StoredAnswer(row.status, json.loads(row.headers), row.body))

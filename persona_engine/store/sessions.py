"""Sessions of the console: made from a key, gone with it, kept as the sha256 of their token."""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import Connection, bindparam, delete, insert, select

from persona_engine.store.api_keys import ApiKey, digest, key_of
from persona_engine.store.clock import Clock, to_micros
from persona_engine.store.database import Database
from persona_engine.store.prepared import Prepared
from persona_engine.store.schema import api_key
from persona_engine.store.schema import session as table

_FIND = Prepared(
    select(*api_key.c)
    .join(table, table.c.api_key == api_key.c.id)
    .where(table.c.digest == bindparam("of_token"), table.c.expires_at > bindparam("now"))
)
_INSERT = insert(table).inline()
_END = delete(table).where(table.c.digest == bindparam("of_token"))
_DROP_OVER = delete(table).where(table.c.expires_at <= bindparam("now"))


class Sessions:
    """The sessions of every tenant; made by `Store.sessions`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, key: ApiKey, *, seconds: float) -> str:
        """Begin a session of a key and return its token, which nobody can tell again."""
        token = secrets.token_urlsafe(32)
        now = self._clock()
        row = {
            "digest": digest(token),
            "api_key": key.id,
            "created_at": to_micros(now),
            "expires_at": to_micros(now + timedelta(seconds=seconds)),
        }

        def work(connection: Connection) -> None:
            connection.execute(_DROP_OVER, {"now": to_micros(now)})
            connection.execute(_INSERT, row)

        self._database.write(work)
        return token

    def find(self, token: str) -> ApiKey | None:
        """Return the key of a session; None once either is over."""
        now = self._clock()
        named = {"of_token": digest(token), "now": to_micros(now)}
        with self._database.read() as connection:
            row = _FIND.execute(connection, named).fetchone()
        key = None if row is None else key_of(row)
        return key if key is not None and key.status(now) == "live" else None

    def end(self, token: str) -> None:
        """End a session; one that is over already stays so."""
        named = {"of_token": digest(token)}
        self._database.write(lambda connection: connection.execute(_END, named))

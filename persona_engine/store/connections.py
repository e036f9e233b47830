"""Connections to a SQLite file that are kept open between two uses.

SQLAlchemy's pool takes as long to lend a connection and to take it back as SQLite does for a
select. A file needs no more than this: nobody waits for a connection, none goes stale.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine


class Connections:
    """As many connections as are ever in use at once; the one that was used last goes out first.

    Args:
        engine: Makes them; without a pool of its own.
        first: What each does first; nothing if omitted.
    """

    def __init__(self, engine: Engine, *, first: str = "") -> None:
        self._engine = engine
        self._first = first
        self._idle: deque[Connection] = deque()
        self._closed = False

    @contextmanager
    def lent(self) -> Iterator[Connection]:
        """Lend a connection to one thread; what it leaves uncommitted is rolled back."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._opened()
        try:
            yield connection
        finally:
            if connection.in_transaction():
                connection.rollback()
            self._idle.append(connection)
            if self._closed:
                self.close()

    def _opened(self) -> Connection:
        connection = self._engine.connect()
        if self._first:
            connection.exec_driver_sql(self._first)
            connection.rollback()
        return connection

    def close(self) -> None:
        """Close those that are not lent, and the others as they come back."""
        self._closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

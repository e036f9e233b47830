"""Connections and transactions: one engine per store, SQLite or PostgreSQL.

SQLite runs in WAL with ``synchronous=FULL``: a commit is on the disk when it returns. Writers take
the write lock at the start (``BEGIN IMMEDIATE``), so that they wait rather than fail half-way.
"""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal, TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool, QueuePool

from persona_engine.errors import ConfigError, ConflictError, MissingExtraError, StoreError
from persona_engine.observing import SILENT, Observer
from persona_engine.store.connections import Connections
from persona_engine.store.faults import is_busy, is_race, translated
from persona_engine.store.prepared import Prepared
from persona_engine.types import Scope

Dialect = Literal["sqlite", "postgresql"]
Result = TypeVar("Result")

_CLOSING_SECONDS = 2.0
BUSY_SECONDS = 30.0
"""How long a writer waits for another one."""

_BEGIN = Prepared(text("BEGIN IMMEDIATE"))
_NEVER_WAIT = "PRAGMA busy_timeout=0"
_PAUSE = (0.0003, 0.002)  # seconds between two attempts to get the write lock
_LOCK_USER = Prepared(text("SELECT pg_advisory_xact_lock(:key)"))
_ATTEMPTS = 100
_POOL = {"pool_size": 5, "max_overflow": 32, "pool_timeout": BUSY_SECONDS}


class WriteRaceError(Exception):
    """Another writer changed a row between our reading and writing it: begin again."""


class Database:
    """One database, reached from any thread and from forked processes.

    Args:
        url: SQLAlchemy URL: ``sqlite:///persona.db`` or ``postgresql://user@host/name``.
        observer: Hears of every select and transaction.

    Raises:
        ConfigError: The URL names no file or a database that is not supported.
        MissingExtraError: The driver is not installed.
    """

    def __init__(self, url: str, *, observer: Observer = SILENT) -> None:
        self._url = _parsed(url)
        self._observer = observer
        self.dialect: Dialect = cast(Dialect, self._url.get_backend_name())
        plain = self._url.set(drivername=self.dialect)
        self.where = plain.render_as_string(hide_password=True)
        named = self._url.database if self.dialect == "sqlite" else None
        self.file = Path(named) if named else None
        self._active = threading.local()
        self._inherited: list[object] = []
        self._process = os.getpid()
        self._engine = _engine(self._url, self.dialect)
        self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._kept = Connections(self._engine)
        self._writers = Connections(self._engine, first=_NEVER_WAIT)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection for one select, or the running transaction's own."""
        active: Connection | None = getattr(self._active, "connection", None)
        if active is not None:
            yield active
            return
        self._after_fork()
        with (
            self._observer.span("database", operation="read"),
            translated(self.where),
            self._connection(self._reader) as connection,
        ):
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Give a connection whose selects all see the same moment."""
        self._after_fork()
        with (
            self._observer.span("database", operation="snapshot"),
            translated(self.where),
            self._connection(self._engine) as connection,
        ):
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    def write(
        self,
        work: Callable[[Connection], Result],
        *,
        scope: Scope | None = None,
        repair: Callable[[Connection], None] | None = None,
    ) -> Result:
        """Run ``work`` in one transaction and return what it returns.

        It runs again when another writer came first.

        Args:
            work: What to do; it may run several times.
            scope: Whose rows it writes: writers of one user take turns, so that they neither
                deadlock nor fail on one another's rows. None for what belongs to no user.
            repair: Runs before ``work``, in the same transaction, once a constraint has failed: it
                makes the rows that ``work`` took for granted, so that the usual case does not look
                for them.

        Raises:
            ConflictError: A constraint failed on every attempt.
        """
        active: Connection | None = getattr(self._active, "connection", None)
        if active is not None:
            return work(active)
        with self._observer.span("database", operation="write"):
            return self._write_again(work, scope, repair)

    def _write_again(
        self,
        work: Callable[[Connection], Result],
        scope: Scope | None,
        repair: Callable[[Connection], None] | None,
    ) -> Result:
        broken: IntegrityError | None = None
        for attempt in range(_ATTEMPTS):
            try:
                return self._write_once(work, scope, repair if broken is not None else None)
            except IntegrityError as error:
                if broken is not None and repair is None and attempt > 2:
                    break
                broken = error
            except WriteRaceError:
                pass
            except StoreError as error:
                if not is_race(error):
                    raise
            time.sleep(random.uniform(0.0, 0.0002 * min(attempt, 50)))
        raise ConflictError(
            f"{self.where}: other writers came first {attempt + 1} times", remedy="try again"
        ) from broken

    def _write_once(
        self,
        work: Callable[[Connection], Result],
        scope: Scope | None,
        repair: Callable[[Connection], None] | None,
    ) -> Result:
        self._after_fork()
        lent = self._writers.lent() if self.dialect == "sqlite" else self._engine.connect()
        with translated(self.where), lent as connection:
            connection.begin()
            if self.dialect == "sqlite":
                _begin_writing(connection)
            elif scope is not None:
                _LOCK_USER.execute(connection, {"key": _lock_key(scope)})
            self._active.connection = connection
            try:
                if repair is not None:
                    repair(connection)
                result = work(connection)
                connection.commit()
            finally:
                self._active.connection = None
            return result

    def close(self) -> None:
        """Close every connection; to a server, once what still uses one is done, for a moment."""
        self._after_fork()
        self._kept.close()
        self._writers.close()
        pool, deadline = self._engine.pool, time.monotonic() + _CLOSING_SECONDS
        # A connection that is lent when its pool goes would never be closed.
        while isinstance(pool, QueuePool) and pool.checkedout() and time.monotonic() < deadline:
            time.sleep(0.005)
        self._engine.dispose()

    def _connection(self, pooled: Engine) -> AbstractContextManager[Connection]:
        """Lend a connection: to a file from those kept open, to a server from its pool."""
        return self._kept.lent() if self.dialect == "sqlite" else pooled.connect()

    def _after_fork(self) -> None:
        """Leave a parent's connections alone: using or closing them here would harm it."""
        if os.getpid() != self._process:
            self._inherited += [self._engine.pool, self._kept, self._writers]
            self._engine.dispose(close=False)
            self._kept = Connections(self._engine)
            self._writers = Connections(self._engine, first=_NEVER_WAIT)
            self._process = os.getpid()
            self._active = threading.local()


def _begin_writing(connection: Connection) -> None:
    """Take SQLite's write lock.

    SQLite itself would look again after ever longer pauses, of 0.1 s in the end: with eight
    processes at work, who waited long would wait for seconds, while others came and went.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            _BEGIN.execute(connection, {})
        except DBAPIError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(random.uniform(*_PAUSE))


def _lock_key(scope: Scope) -> int:
    """Return a user's number among the server's advisory locks."""
    name = f"{scope.tenant}\x1f{scope.user}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"store URL is {str(url)[:80]!r}, expected sqlite:///FILE or postgresql://USER@HOST/NAME",
            remedy="for example sqlite:///persona.db",
        ) from error
    if backend == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise ConfigError(
                f"store URL is {url!r}, which names no file: its data would be lost",
                remedy="name a file, for example sqlite:///persona.db",
            )
        return parsed.set(drivername="sqlite+pysqlite")
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise ConfigError(
        f"store URL is for {backend!r}, expected sqlite or postgresql",
        remedy="for example sqlite:///persona.db",
    )


def _engine(url: URL, dialect: Dialect) -> Engine:
    if dialect == "sqlite":
        arguments = {"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False}
        engine = create_engine(url, connect_args=arguments, poolclass=NullPool)
        event.listen(engine, "connect", _set_pragmas)
        return engine
    try:
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10}, **_POOL)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "PostgreSQL needs the driver psycopg, which is not installed",
            remedy="pip install 'persona-engine[postgres]'",
        ) from error


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten

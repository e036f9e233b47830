"""Seeing to it that what was deleted is in no file of the database any more.

SQLite overwrites what it deletes (``secure_delete``), but not the copies that it leaves behind when
it moves rows between pages, nor what its write-ahead log holds. So texts are blanked where they lie
before their rows are deleted, the log is cut off, and `vacuum` writes the file anew without any
copy. A server's dead rows stay in its files until ``VACUUM FULL``, and its log and backups as long
as its operator keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table, text

from persona_engine.errors import StoreUnavailableError
from persona_engine.store import schema
from persona_engine.store.database import BUSY_SECONDS, Database
from persona_engine.store.faults import is_busy

_TEXTS: tuple[tuple[Table, tuple[str, ...]], ...] = (
    (schema.comparison, ("prompt", "chosen", "rejected")),
    (schema.instruction, ("text", "scope", "rests_on")),
    (schema.reply, ("prompt", "text", "candidates", "trace")),
    (schema.trait, ("text",)),
)


def _blank(table: Table, columns: tuple[str, ...]) -> Any:  # noqa: ANN401
    # Of the same length in bytes: SQLite then writes over the row where it is.
    to_zeros = (
        f'"{each}" = CAST(zeroblob(length(CAST("{each}" AS BLOB))) AS TEXT)' for each in columns
    )
    return text(
        f"UPDATE {table.name} SET {', '.join(to_zeros)} "  # names of our own columns
        'WHERE tenant = :in_tenant AND "user" = :of_user'
    )


_BLANKS = tuple(_blank(table, columns) for table, columns in _TEXTS)


def blank_texts(connection: Connection, key: dict[str, str]) -> None:
    """Overwrite a user's texts where they lie, before their rows are deleted; on SQLite alone."""
    if connection.dialect.name == "sqlite":
        for each in _BLANKS:
            connection.execute(each, key)


def flush_log(database: Database, *, patience: float) -> bool:
    """Copy SQLite's log to the file and cut it off; see `Store.flush_log`."""
    if database.dialect != "sqlite":
        return False
    with _waiting(database, patience) as connection:
        busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar()
    return busy == 0


def vacuum(database: Database, *, patience: float = BUSY_SECONDS) -> bool:
    """Write the database anew without what was deleted; see `Store.vacuum`."""
    if database.dialect != "sqlite":
        names = ", ".join(table.name for table in schema.metadata.sorted_tables)
        with database.read() as connection:
            connection.exec_driver_sql(f"VACUUM FULL {names}")
        return True
    try:
        with _waiting(database, patience) as connection:
            connection.exec_driver_sql("VACUUM")
    except StoreUnavailableError as error:
        if not is_busy(error):
            raise
        flush_log(database, patience=patience)
        return False
    return flush_log(database, patience=patience)


@contextmanager
def _waiting(database: Database, patience: float) -> Iterator[Connection]:
    """Give a connection that waits so many seconds for others, and as long as ever afterwards."""
    with database.read() as connection:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={int(1000 * patience)}")
        try:
            yield connection
        finally:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={int(1000 * BUSY_SECONDS)}")


def size(database: Database) -> int:
    """Return the bytes of SQLite's file, 0 on a server."""
    return 0 if database.file is None else database.file.stat().st_size

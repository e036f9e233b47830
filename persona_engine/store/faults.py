"""Database errors in the engine's words: what happened, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from persona_engine.errors import StoreError, StoreUnavailableError

_SQLITE_UNAVAILABLE = {
    "SQLITE_BUSY": "another process holds the file; try again, or end that process",
    "SQLITE_LOCKED": "another process holds the file; try again, or end that process",
    "SQLITE_READONLY": "make the file and its folder writable for this user",
    "SQLITE_CANTOPEN": "create the folder, and make it readable and writable for this user",
    "SQLITE_PERM": "make the file and its folder writable for this user",
    "SQLITE_FULL": "free some disk space and try again; nothing was lost",
    "SQLITE_IOERR": "check the disk and its free space, then run `persona doctor`",
    "SQLITE_NOMEM": "free some memory and try again",
}
_SQLITE_DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
_SQLITE_TOO_BIG = "SQLITE_TOOBIG"
_POSTGRES_RACES = ("40001", "40P01")
_POSTGRES_UNAVAILABLE = {
    "53": "free disk space, memory or connections on the server and try again",
    "57": "wait until the server is up again",
    "25": "connect to the primary server: this one is read-only",
    "28": "check user and password in the URL",
    "3D": "create the database, then run `persona db upgrade`",
    "42501": "grant this database user the rights to read and write its tables",
}


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise database errors of the block as `StoreError`; ``where`` names the database.

    `IntegrityError` passes: the code that wrote knows what it means.
    """
    try:
        yield
    except IntegrityError:
        raise
    except PoolTimeoutError as error:
        raise StoreUnavailableError(
            f"no free connection to {where}", remedy="close stores that are not in use"
        ) from error
    except DBAPIError as error:
        raise _of_dbapi(error, where) from error


def is_race(error: BaseException | None) -> bool:
    """Say whether a transaction failed only because another one came first."""
    cause = error.__cause__ if isinstance(error, StoreError) else error
    state = getattr(getattr(cause, "orig", None), "sqlstate", None)
    return isinstance(cause, IntegrityError) or state in _POSTGRES_RACES


def is_busy(error: BaseException) -> bool:
    """Say whether SQLite refused because another process holds the file."""
    cause = error.__cause__ if isinstance(error, StoreError) else error
    code = getattr(getattr(cause, "orig", None), "sqlite_errorname", "")
    return str(code).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _of_dbapi(error: DBAPIError, where: str) -> StoreError:
    cause = error.orig
    message = f"{where}: {str(cause).strip() or type(cause).__name__}"
    code = getattr(cause, "sqlite_errorname", None)
    if code is not None:
        return _of_sqlite(code, message)
    state = getattr(cause, "sqlstate", None)
    if state is None:
        return StoreUnavailableError(message, remedy="check the URL and that the server is up")
    for prefix, remedy in _POSTGRES_UNAVAILABLE.items():
        if state.startswith(prefix):
            return StoreUnavailableError(message, remedy=remedy)
    if state in ("42P01", "42703"):
        return StoreError(message, remedy="run `persona db upgrade`")
    return StoreError(f"{message} (SQLSTATE {state})", remedy="run `persona doctor`")


def _of_sqlite(code: str, message: str) -> StoreError:
    for name, remedy in _SQLITE_UNAVAILABLE.items():
        if code.startswith(name):
            return StoreUnavailableError(message, remedy=remedy)
    if code.startswith(_SQLITE_DAMAGED):
        return StoreError(
            message, remedy="restore the file from a backup, or name another file in the URL"
        )
    if code == _SQLITE_TOO_BIG:
        return StoreError(message, remedy="store less in one text")
    return StoreError(f"{message} ({code})", remedy="run `persona doctor`")

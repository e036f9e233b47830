"""The schema's version: what a database is at, and how to bring it to what this code needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, inspect, text

from persona_engine.errors import ConfigError, SchemaVersionError, StoreError, StoreUnavailableError
from persona_engine.store import schema
from persona_engine.store.database import BUSY_SECONDS, Database
from persona_engine.store.faults import is_busy

if TYPE_CHECKING:
    from alembic.config import Config

_VERSION = text("SELECT version_num FROM alembic_version")
_ADVISORY_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('persona_engine.migrate'))")


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Which schema a database has.

    Args:
        where: The database, without its password.
        revision: Revision that it is at; None when it is empty or does not exist yet.
        head: Revision that this code needs.
    """

    where: str
    revision: str | None
    head: str

    @property
    def current(self) -> bool:
        """Whether it is the one that this code needs."""
        return self.revision == self.head


def migrations_folder() -> Path:
    """Return the folder of the migrations, in a wheel or in a checkout.

    Raises:
        ConfigError: The installation lacks it.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise ConfigError(f"no migrations beside {package}", remedy="install persona-engine again")


def schema_status(url: str) -> SchemaStatus:
    """Return which schema a database has, without changing or creating it.

    Raises:
        ConfigError: The URL cannot be used.
        StoreUnavailableError: It cannot be reached or read.
    """
    database = Database(url)
    try:
        absent = database.file is not None and not database.file.exists()
        found = None if absent else current_revision(database)
        return SchemaStatus(database.where, found, schema.REVISION)
    finally:
        database.close()


def upgrade(url: str) -> None:
    """Bring a database to the schema of this code, keeping its data.

    Raises:
        SchemaVersionError: The database is newer than this code.
        StoreUnavailableError: It cannot be reached or written.
    """
    database = Database(url)
    try:
        upgrade_database(database)
    finally:
        database.close()


def downgrade(url: str, revision: str) -> None:
    """Take a database back to ``revision``; ``"base"`` drops every table.

    Raises:
        ConfigError: No such revision.
        SchemaVersionError: The database is newer than this code.
    """
    if revision not in ("base", *_known_revisions()):
        raise ConfigError(f"revision is {revision!r}, expected base or {_known_revisions()}")
    database = Database(url)
    try:
        _run(database, lambda command, config: command.downgrade(config, revision))
    finally:
        database.close()


def upgrade_database(database: Database) -> None:
    """Bring an open database to the head; processes that do so at once take turns."""
    if database.dialect == "sqlite":
        _use_wal(database)
    _run(database, lambda command, config: command.upgrade(config, "head"))


def current_revision(database: Database) -> str | None:
    """Return the revision that a database is at, or None for an empty one.

    Raises:
        StoreError: The database belongs to another program.
    """
    with database.read() as connection:
        return _revision(connection)


def require_current(database: Database) -> None:
    """Raise `SchemaVersionError` unless the database is at the head."""
    found = current_revision(database)
    if found == schema.REVISION:
        return
    _require_known(database, found)
    raise SchemaVersionError(
        f"{database.where} has schema {found or 'none'}, expected {schema.REVISION}",
        remedy="run `persona db upgrade`",
    )


def _run(database: Database, step: Callable[[Any, Config], None]) -> None:
    from alembic import command
    from alembic.config import Config

    def work(connection: Connection) -> None:
        if database.dialect == "postgresql":
            connection.execute(_ADVISORY_LOCK)
        _require_known(database, _revision(connection))
        config = Config()
        config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
        config.attributes["connection"] = connection
        step(command, config)

    database.write(work)


def _known_revisions() -> tuple[str, ...]:
    from alembic.script import ScriptDirectory

    directory = ScriptDirectory(str(migrations_folder()))
    return tuple(script.revision for script in directory.walk_revisions())


def _revision(connection: Connection) -> str | None:
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        found = connection.execute(_VERSION).scalar_one_or_none()
        return None if found is None else str(found)
    if tables:
        raise StoreError(
            f"the database holds tables of another program: {', '.join(sorted(tables)[:5])}",
            remedy="name another file or database in the URL",
        )
    return None


def _require_known(database: Database, found: str | None) -> None:
    if found is not None and found not in _known_revisions():
        raise SchemaVersionError(
            f"{database.where} has schema {found!r}, which is newer than this code knows",
            remedy="install a newer persona-engine: pip install -U persona-engine",
        )


def _use_wal(database: Database) -> None:
    """Switch a file to write-ahead logging; the file remembers it.

    SQLite does not wait for another process that is switching the same file, so this does.
    """
    _require_known(database, current_revision(database))
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            with database.read() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                return
        except StoreUnavailableError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)

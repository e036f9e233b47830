"""What goes wrong around a database: each has an error that says so, and nothing is lost."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from persona_engine.errors import (
    ConfigError,
    MissingExtraError,
    PersonaError,
    StoreError,
    StoreUnavailableError,
)
from persona_engine.store import NewComparison, Store, upgrade
from persona_engine.types import Scope

ALICE = Scope("acme", "alice")
PAIR = NewComparison("p", "a", "b")
NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user of the machine may enter."""
    made = Path(tempfile.mkdtemp(prefix="persona-"))
    made.chmod(0o777)
    yield made
    made.chmod(0o777)
    shutil.rmtree(made)


def error_in_child(work: Callable[[], object], *, ordinary_user: bool = False) -> str:
    """Run ``work`` in a child and return "type: message | remedy" of what it raised."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        if ordinary_user and os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        said = "nothing was raised"
        try:
            work()
        except PersonaError as error:
            said = f"{type(error).__name__}: {error.message} | {error.remedy}"
        except BaseException as error:
            said = repr(error)
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "store URL is ''"),
        ("persona.db", "store URL is 'persona.db'"),
        ("postgresql://host:port/name", "store URL is"),
        ("mysql://host/name", "store URL is for 'mysql'"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        (None, "store URL is 'None'"),
    ],
)
def test_urls_that_name_no_database_are_refused(url: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as caught:
        Store(url)
    assert caught.value.remedy


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="unable to open") as caught:
        Store(f"sqlite:///{tmp_path}/nowhere/persona.db")
    assert "create the folder" in str(caught.value.remedy)


def test_a_read_only_folder_is_named(folder: Path) -> None:
    folder.chmod(0o555)
    said = error_in_child(lambda: Store(f"sqlite:///{folder}/persona.db"), ordinary_user=True)
    assert said.startswith("StoreUnavailableError:")
    assert "writable for this user" in said
    assert list(folder.iterdir()) == []


def test_a_read_only_file_is_named_and_stays_as_it_is(folder: Path) -> None:
    url = f"sqlite:///{folder}/persona.db"
    with Store(url) as store:
        store.user(ALICE).record([PAIR])
    (folder / "persona.db").chmod(0o444)
    folder.chmod(0o555)

    def write() -> None:
        with Store(url) as store:
            store.user(ALICE).record([PAIR])

    said = error_in_child(write, ordinary_user=True)
    assert said.startswith("StoreUnavailableError:")
    assert "writable for this user" in said
    folder.chmod(0o777)
    with Store(url) as store:
        assert len(store.user(ALICE).comparisons()) == 1


def test_a_full_disk_is_named_and_earlier_events_stay(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/persona.db"
    with Store(url) as store:
        store.user(ALICE).record([PAIR])

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        with Store(url) as store:
            while True:
                store.user(ALICE).record([NewComparison("x" * 50_000, "a", "b")])

    said = error_in_child(fill)
    assert said.startswith("StoreUnavailableError:")
    assert "disk" in said
    with Store(url) as store:
        assert store.check() == ()
        assert store.user(ALICE).comparisons()[0].prompt == "p"
        store.user(ALICE).record([PAIR])


def test_a_locked_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persona_engine.store.database.BUSY_SECONDS", 0.05)
    with Store(f"sqlite:///{tmp_path}/persona.db") as store:
        other = sqlite3.connect(tmp_path / "persona.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="locked") as caught:
            store.user(ALICE).record([PAIR])
        assert "another process" in str(caught.value.remedy)
        other.close()
        assert len(store.user(ALICE).record([PAIR])) == 1
        assert len(store.user(ALICE).comparisons()) == 1


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "persona.db"
    path.write_text("shopping list " * 500)
    with pytest.raises(StoreError, match="file is not a database") as caught:
        Store(f"sqlite:///{path}")
    assert "backup" in str(caught.value.remedy)
    assert path.read_text() == "shopping list " * 500


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "persona.db"
    with Store(f"sqlite:///{path}") as store:
        store.user(ALICE).record([NewComparison(str(n), "a" * 500, "b") for n in range(200)])
    with path.open("r+b") as file:
        file.seek(-3 * 4096, os.SEEK_END)
        file.write(b"\xff" * 8192)
    with Store(f"sqlite:///{path}") as store:
        assert store.check()


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        Store("postgresql://me:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)
    assert "server is up" in str(caught.value.remedy)


def test_a_missing_database_on_a_server_is_named(postgres_server: Callable[[str], str]) -> None:
    with pytest.raises(StoreUnavailableError, match='"never" does not exist'):
        Store(postgres_server("never"))


def test_a_server_without_the_tables_is_named(postgres_databases: Callable[[str], str]) -> None:
    url = postgres_databases("empty")
    upgrade(url)
    with Store(url) as store:
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE comparison"))
        engine.dispose()
        with pytest.raises(StoreError) as caught:
            store.user(ALICE).record([PAIR])
    assert caught.value.remedy == "run `persona db upgrade`"


def test_connections_that_the_server_ended_are_replaced(
    postgres_databases: Callable[[str], str],
) -> None:
    url = postgres_databases("migrated")
    with Store(url) as store:
        store.user(ALICE).record([PAIR])
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid != pg_backend_pid()"
                )
            )
        engine.dispose()
        store.user(ALICE).record([PAIR])
        assert len(store.user(ALICE).comparisons()) == 2


def test_a_missing_driver_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match="psycopg") as caught:
        Store("postgresql://me@host/name")
    assert "persona-engine[postgres]" in str(caught.value.remedy)


def test_opening_an_up_to_date_file_does_not_load_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/persona.db"
    Store(url).close()
    code = (
        "import sys; from persona_engine.store import Store; "
        f"Store({url!r}).close(); "
        "print([m for m in ('alembic', 'torch', 'transformers', 'faiss') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

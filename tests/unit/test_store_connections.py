"""Connections to a file that are kept open: lent to one at a time, clean, and closed in the end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import pytest
from sqlalchemy import text

from persona_engine.errors import StoreUnavailableError
from persona_engine.store.database import Database

MAKE, ADD, COUNT = (
    text("CREATE TABLE said (word TEXT)"),
    text("INSERT INTO said VALUES ('x')"),
    text("SELECT count(*) FROM said"),
)


@pytest.fixture
def database(tmp_path: Path):
    opened = Database(f"sqlite:///{tmp_path}/kept.db")
    with opened.read() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    opened.write(lambda connection: connection.execute(MAKE))
    yield opened
    opened.close()


def open_files(database: Database) -> int:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(link.readlink() == database.file for link in links if link.exists())


def driver_of(connection) -> int:
    return id(connection.connection.driver_connection)


def test_one_after_the_other_gets_the_same(database: Database) -> None:
    reading, writing = set(), set()
    for _ in range(3):
        with database.read() as connection:
            reading.add(driver_of(connection))
        database.write(lambda connection: writing.add(driver_of(connection)))
        with database.snapshot() as connection:
            reading.add(driver_of(connection))
    assert len(reading) == len(writing) == 1
    assert open_files(database) == 2


def test_those_at_once_get_one_each(database: Database) -> None:
    together = Barrier(4)

    def read(_: int) -> int:
        with database.read() as connection:
            together.wait(timeout=20)
            return driver_of(connection)

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(read, range(4)))) == 4
    assert open_files(database) == 4 + 1  # and the one that wrote


def test_what_is_left_uncommitted_is_rolled_back(database: Database) -> None:
    def fail(connection) -> None:
        connection.execute(ADD)
        raise ValueError("half-way")

    for _ in range(2):
        with pytest.raises(ValueError, match="half-way"):
            database.write(fail)
        with database.snapshot() as connection:
            assert connection.execute(COUNT).scalar() == 0
    database.write(lambda connection: connection.execute(ADD))
    with database.read() as connection:
        assert connection.execute(COUNT).scalar() == 1


def test_closing_closes_those_that_are_lent_when_they_come_back(database: Database) -> None:
    with database.read() as connection:
        database.close()
        assert connection.execute(COUNT).scalar() == 0
        assert open_files(database) == 1
    assert open_files(database) == 0
    with database.read() as connection:  # who goes on after closing is served
        assert connection.execute(COUNT).scalar() == 0
    assert open_files(database) == 0


def test_writers_wait_for_one_another_but_not_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Database(database.where)
    holds, may_end = Event(), Event()

    def hold(connection) -> None:
        connection.execute(ADD)
        holds.set()
        assert may_end.wait(timeout=20)

    with ThreadPoolExecutor(2) as threads:
        holding = threads.submit(other.write, hold)
        assert holds.wait(timeout=20)
        with monkeypatch.context() as impatient:
            impatient.setattr("persona_engine.store.database.BUSY_SECONDS", 0.02)
            with pytest.raises(StoreUnavailableError, match="locked"):
                database.write(lambda connection: connection.execute(ADD))
        waiting = threads.submit(database.write, lambda connection: connection.execute(COUNT))
        assert not waiting.done()
        may_end.set()
        assert waiting.result(timeout=20).scalar() == 1
        holding.result(timeout=20)
    other.close()


def test_a_snapshot_sees_one_moment_and_lets_go_of_it(database: Database) -> None:
    with database.snapshot() as connection:
        assert connection.execute(COUNT).scalar() == 0
        database.write(lambda writer: writer.execute(ADD))
        assert connection.execute(COUNT).scalar() == 0
    with database.snapshot() as connection:
        assert connection.execute(COUNT).scalar() == 1

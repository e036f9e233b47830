"""Bulk import: whatever the format, checked whole, written once, resumed where it was killed."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import sys
from datetime import UTC, datetime

import pytest

from persona_engine import importing
from persona_engine.cli.document import read_document
from persona_engine.errors import InvalidInputError, MissingExtraError, ScopeError
from persona_engine.importing import import_file
from persona_engine.interfaces import no_progress
from persona_engine.store import Store
from persona_engine.types import Scope

GOOD = {"user": "ada", "prompt": "Hello?", "chosen": "Hi.", "rejected": "Good day."}


@pytest.fixture
def store(store_url):
    with Store(store_url) as opened:
        yield opened


@pytest.fixture
def sqlite(tmp_path, sqlite_template):
    with Store(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'persona.db')}") as opened:
        yield opened


def line(**changes):
    kept = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return json.dumps(kept).encode()


def rows_of(count, users=7):
    return [
        {**GOOD, "user": f"u{n % users}", "prompt": f"Question {n},\nand more", "weight": 1.5}
        for n in range(count)
    ]


def write(path, rows):
    if path.suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif ".csv" in path.name:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "wt", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        content = b"\n".join(json.dumps(row).encode() for row in rows)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def imported(store, path, *, kind=None, progress=no_progress):
    return import_file(store, "acme", path, kind=kind, progress=progress)


def stored(store):
    return [
        (user, event.prompt, event.chosen, event.weight, event.tie, event.source)
        for user, event in store.tenant("acme").iter_comparisons()
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv", "a.csv.gz", "a.parquet"])
def test_every_format_says_the_same_and_twice_is_once(tmp_path, sqlite, name, monkeypatch):
    monkeypatch.setattr(importing, "_AT_ONCE", 8)
    path = write(tmp_path / name, rows_of(30))
    report = imported(sqlite, path)
    assert (report.rows, report.written, report.users) == (30, 30, 7)
    wanted = sorted(("acme", row["user"], row["prompt"]) for row in rows_of(30))
    assert sorted(("acme", each[0], each[1]) for each in stored(sqlite)) == wanted
    assert {each[2:] for each in stored(sqlite)} == {("Hi.", 1.5, False, "import")}
    mine = sqlite.user(Scope("acme", "u3")).comparisons()
    assert [each.prompt.split(",")[0] for each in mine] == [
        f"Question {n}" for n in (3, 10, 17, 24)
    ]
    again = imported(sqlite, path)
    assert (again.rows, again.written) == (30, 0)
    assert len(stored(sqlite)) == 30


def test_both_databases_take_new_and_known_rows(store, tmp_path):
    first = write(tmp_path / "a.jsonl", [{**row, "id": n} for n, row in enumerate(rows_of(9))])
    more = write(tmp_path / "b.jsonl", [{**row, "id": n} for n, row in enumerate(rows_of(14))])
    assert imported(store, first).written == 9
    assert imported(store, more).written == 5
    assert len(stored(store)) == 14


def test_fields_of_every_kind(tmp_path, sqlite):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbf"
        + line(time="2026-03-01T12:00:00+01:00", extra="passed over")
        + b"\r\n\n"
        + line(weight=2, tie=True, time=86_400.5)
        + b"\n"
        + line(time="2026-03-01")
    )
    imported(sqlite, path)
    first, second, third = sqlite.user(Scope("acme", "ada")).comparisons()
    assert first.created_at == datetime(2026, 3, 1, 11, tzinfo=UTC)
    assert (second.weight, second.tie) == (2.0, True)
    assert second.created_at == datetime(1970, 1, 2, 0, 0, 0, 500_000, tzinfo=UTC)
    assert third.created_at == datetime(2026, 3, 1, tzinfo=UTC)
    table = tmp_path / "pairs.txt"
    table.write_text('user,prompt,chosen,rejected,tie,weight\nbob,"a, b",x,y,yes,\nbob,,x,y,,0.5\n')
    assert imported(sqlite, table, kind="csv").written == 2
    one, two = sqlite.user(Scope("acme", "bob")).comparisons()
    assert (one.prompt, one.tie, one.weight) == ("a, b", True, 1.0)
    assert (two.prompt, two.tie, two.weight) == ("", False, 0.5)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (line(user=...), "lacks 'user'"),
        (line(prompt=...), "lacks 'prompt'"),
        (line(chosen=...), "lacks 'chosen'"),
        (line(rejected=...), "lacks 'rejected'"),
        (line(chosen=3), "chosen is 3"),
        (line(chosen=" "), "blank"),
        (line(user=None), "user is None"),
        (line(user=""), "user is ''"),
        (line(weight=-1), "weight is -1"),
        (line(weight="1"), "weight is '1'"),
        (line(weight=True), "weight is True"),
        (line(weight=None), "weight is None"),
        (line(weight=float("nan")), "NaN is no JSON number"),
        (line(weight=float("inf")), "Infinity is no JSON number"),
        (line(tie="yes"), "tie is 'yes'"),
        (line(id=[1]), "id is [1]"),
        (line(time="yesterday"), "time is 'yesterday'"),
        (line(time=1e300), "time is 1e+300"),
        (line(time=[]), "time is []"),
        (line()[:-1], "is not JSON"),
        (b'{"user": "\xff"}', "not UTF-8: byte 0xff at position 10"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1]", "is no JSON object"),
        (b"null", "is no JSON object"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(tmp_path, sqlite, bad, says, monkeypatch):
    monkeypatch.setattr(importing, "_AT_ONCE", 1)
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(line() + b"\n\n" + bad + b"\n" + line())
    with pytest.raises((InvalidInputError, ScopeError)) as caught:
        imported(sqlite, path)
    assert f"{path}, line 3" in caught.value.message
    assert says in caught.value.message
    assert stored(sqlite) == []
    assert sqlite.tenant("acme").users() == ()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b"", "holds no comparison"),
        ("a.jsonl", b"\n \n", "holds no comparison"),
        ("a.jsonl.gz", b"not compressed", "cannot be read"),
        ("a.jsonl.gz", gzip.compress(line(), mtime=0)[:-9], "cannot be read"),
        ("a.csv", b"user,prompt,chosen,rejected\n", "holds no comparison"),
        ("a.csv", b"user,prompt,chosen,rejected\na,b,c\n", "line 2 has another number of fields"),
        ("a.csv", b"user,prompt,chosen,rejected\na,b,c,d,e\n", "another number of fields"),
        ("a.csv", b'user,prompt,chosen,rejected\na,"b"x,c,d\n', "no CSV"),
        ("a.csv", b"user,prompt,chosen,rejected\na,\xff,c,d\n", "no CSV in UTF-8"),
        ("a.csv", b"user,prompt,chosen,rejected,weight\na,b,c,d,much\n", "weight is 'much'"),
        ("a.csv", b"user,prompt,chosen\na,b,c\n", "line 2: lacks 'rejected'"),
        ("a.parquet", b"PAR1 or not", "cannot be read as Parquet"),
        ("a.table", b"", "of no known format"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, sqlite, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=says):
        imported(sqlite, path)
    assert stored(sqlite) == []


def test_a_file_that_is_not_there_is_refused(tmp_path, sqlite):
    with pytest.raises(InvalidInputError, match="No such file"):
        imported(sqlite, tmp_path / "absent.jsonl")
    with pytest.raises(InvalidInputError, match="Is a directory"):
        imported(sqlite, tmp_path, kind="jsonl")
    with pytest.raises(InvalidInputError, match="format is 'xml'"):
        imported(sqlite, write(tmp_path / "a.jsonl", [GOOD]), kind="xml")


def test_without_pyarrow_the_remedy_is_named(tmp_path, sqlite, monkeypatch):
    path = write(tmp_path / "a.parquet", [GOOD])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="needs pyarrow") as caught:
        imported(sqlite, path)
    assert "persona-engine[parquet]" in caught.value.remedy


def test_killed_half_way_it_goes_on_where_it_was(tmp_path, store, monkeypatch):
    monkeypatch.setattr(importing, "_AT_ONCE", 10)
    path = write(tmp_path / "a.jsonl", rows_of(95))
    child = os.fork()
    if child == 0:
        imported(
            store,
            path,
            progress=lambda what, done, _: os._exit(9) if (what, done) == ("importing", 40) else 0,
        )
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(stored(store)) == 40
    told = []
    report = imported(store, path, progress=lambda *each: told.append(each))
    assert (report.rows, report.written) == (95, 55)
    assert len({each[1] for each in stored(store)}) == len(stored(store)) == 95
    assert [each for each in told if each[0] == "importing"][-1] == ("importing", 95, 95)
    assert [done for what, done, _ in told if what == "checking"][-1] == path.stat().st_size


@pytest.mark.parametrize("content", [b"[]", b'"text"', b"{", b"\xff{}", b""])
def test_what_is_no_document_is_refused(tmp_path, content):
    path = tmp_path / "ada.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=str(path)):
        read_document(path)


def test_reads_a_document(tmp_path):
    path = tmp_path / "ada.json"
    path.write_text('{"format": "persona-user"}')
    assert read_document(path) == {"format": "persona-user"}
    with pytest.raises(InvalidInputError, match="No such file"):
        read_document(tmp_path / "absent.json")

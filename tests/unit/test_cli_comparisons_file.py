"""Reading of files to import: what is wrong is named by line, and nothing comes half."""

from __future__ import annotations

import gzip
import json

import pytest

from persona_engine.cli.comparisons_file import read_comparisons, read_document
from persona_engine.errors import InvalidInputError

GOOD = {"user": "ada", "prompt": "Hello?", "chosen": "Hi.", "rejected": "Good day."}


def line(**changes):
    kept = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return json.dumps(kept).encode()


def test_reads_lines_with_and_without_weight(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line() + b"\r\n\n" + line(weight=2, extra="passed over"))
    first, second = read_comparisons(path)
    assert first == {**GOOD, "weight": 1.0, "tie": False}
    assert second == {**GOOD, "weight": 2.0, "tie": False}


def test_reads_compressed_lines(tmp_path):
    path = tmp_path / "pairs.jsonl.gz"
    path.write_bytes(gzip.compress(line()))
    assert read_comparisons(path) == [{**GOOD, "weight": 1.0, "tie": False}]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (line(user=...), "lacks 'user'"),
        (line(prompt=...), "lacks 'prompt'"),
        (line(chosen=...), "lacks 'chosen'"),
        (line(rejected=...), "lacks 'rejected'"),
        (line(chosen=3), "chosen is 3"),
        (line(user=None), "user is None"),
        (line(weight=-1), "weight is -1"),
        (line(weight="1"), "weight is '1'"),
        (line(weight=True), "weight is True"),
        (line(weight=None), "weight is None"),
        (line(weight=float("nan")), "NaN is no JSON number"),
        (line(weight=float("inf")), "Infinity is no JSON number"),
        (line()[:-1], "is not JSON"),
        (b'{"user": "\xff"}', "not UTF-8: byte 0xff at position 10"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1]", "is no JSON object"),
        (b"null", "is no JSON object"),
    ],
)
def test_a_bad_line_is_named(tmp_path, bad, says):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(line() + b"\n\n" + bad + b"\n" + line())
    with pytest.raises(InvalidInputError) as caught:
        read_comparisons(path)
    assert f"{path}, line 3" in caught.value.message
    assert says in caught.value.message


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_file_without_comparisons_is_refused(tmp_path, content):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match="holds no comparison"):
        read_comparisons(path)


@pytest.mark.parametrize("content", [b"not compressed", gzip.compress(line())[:-9]])
def test_a_damaged_archive_is_refused(tmp_path, content):
    path = tmp_path / "pairs.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_comparisons(path)


@pytest.mark.parametrize("read", [read_comparisons, read_document])
def test_a_file_that_is_not_there_is_refused(tmp_path, read):
    with pytest.raises(InvalidInputError, match="No such file"):
        read(tmp_path / "absent.jsonl")
    with pytest.raises(InvalidInputError, match="Is a directory"):
        read(tmp_path)


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

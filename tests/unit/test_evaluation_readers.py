"""Reading people's own files: every shape is understood, and what is wrong is named by its line."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from persona_engine.errors import InvalidInputError
from persona_engine.evaluation import read_comparisons, read_votes

GOOD = {"user": "ada", "prompt": "Hello?", "chosen": "Hi.", "rejected": "Good day."}
ITEMS = [{"item": "1", "text": "One."}, {"item": "2", "text": "Two."}, {"item": "3", "text": "3?"}]


def write(path, *rows):
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_comparisons_with_everything(tmp_path):
    path = write(
        tmp_path / "ours.jsonl.gz",
        GOOD,
        {**GOOD, "user": 7, "weight": 2, "tie": True, "group": "north", "time": "2026-01-02"},
        {**GOOD, "chosen": "Good day.", "rejected": "Hi.", "prompt": " ", "time": 12.5},
    )
    data = read_comparisons(path)
    rows = data.rows
    assert (data.name, data.users, data.groups) == ("ours", ("ada", "7"), ("north",))
    assert [item.prompt for item in data.items] == ["Hello?", "Hello?", "", ""]
    assert rows.target.tolist() == [1.0, 0.5, 1.0]
    assert rows.weight.tolist() == [1.0, 2.0, 1.0]
    assert rows.group.tolist() == [-1, 0, -1]
    assert rows.time.tolist() == [np.inf, 1767312000.0, 12.5]
    assert data.items[rows.chosen[2]].text == "Good day."


def test_groups_of_users_win(tmp_path):
    path = write(tmp_path / "ours.jsonl", {**GOOD, "group": "a"}, {**GOOD, "user": "bob"})
    groups = write(tmp_path / "groups.jsonl", {"user": "ada", "group": "b"})
    data = read_comparisons(path, groups=groups)
    assert (data.groups, data.rows.group.tolist()) == (("b",), [0, -1])


def test_judgments_are_told_from_votes(tmp_path):
    items = write(tmp_path / "t.jsonl", *({"id": i["item"], "text": i["text"]} for i in ITEMS))
    path = write(
        tmp_path / "ukp.judgments.jsonl",
        {"user": "w", "group": "g", "prompt": "Ban?", "a": "1", "b": "2", "label": "b"},
        {"user": "w", "group": "g", "prompt": "Ban?", "a": "3", "b": "2", "label": "tie"},
    )
    data = read_votes(path, items)
    assert data.name == "ukp"
    chosen = data.items[data.rows.chosen[0]]
    assert (chosen.id, chosen.text, chosen.prompt) == ("2", "Two.", "Ban?")
    assert data.rows.tied.tolist() == [False, True]


def test_votes_make_pairs_of_a_liked_and_a_disliked_statement(tmp_path):
    items = write(tmp_path / "i.jsonl", *ITEMS)
    path = write(
        tmp_path / "polis.votes.jsonl",
        {"user": "p", "item": "1", "vote": 1, "t": 5},
        {"user": "p", "item": "1", "vote": -1, "t": 9},  # changed their mind
        {"user": "p", "item": "1", "vote": 1, "t": 7},
        {"user": "p", "item": 2, "vote": 1, "t": 1},
        {"user": "p", "item": "3", "vote": 0, "t": 1},
        {"user": "q", "item": "3", "vote": -1},
    )
    groups = write(tmp_path / "g.jsonl", {"user": "p", "group": "0"})
    data = read_votes(path, items, groups=groups)
    rows = data.draw(np.random.default_rng(0), support=4, disjoint_items=False)
    pairs = [
        (data.items[a].id, data.items[b].id)
        for a, b in zip(rows.chosen, rows.rejected, strict=True)
    ]
    assert pairs == [("2", "1")]
    assert rows.group.tolist() == [0]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({**GOOD, "user": None}, "user is None"),
        ({**GOOD, "user": " "}, "user is ' '"),
        ({**GOOD, "user": True}, "user is True"),
        ({**GOOD, "chosen": 3}, "chosen is 3"),
        ({**GOOD, "chosen": ""}, "chosen is ''"),
        ({**GOOD, "chosen": "a\x00b"}, "chosen is 'a\\x00b'"),
        ({**GOOD, "rejected": "Hi."}, "another text than the chosen one"),
        ({**GOOD, "prompt": ["Hello?"]}, "prompt is ['Hello?']"),
        ({**GOOD, "weight": -1}, "weight is -1"),
        ({**GOOD, "weight": "1"}, "weight is '1'"),
        ({**GOOD, "weight": 10**400}, "weight is 1000"),
        ({**GOOD, "tie": 1}, "tie is 1"),
        ({**GOOD, "time": "yesterday"}, "time is 'yesterday'"),
        ({**GOOD, "time": False}, "time is False"),
        ({**GOOD, "group": []}, "group is []"),
        ({name: each for name, each in GOOD.items() if name != "rejected"}, "lacks 'rejected'"),
        ('{"user": ', "is not JSON"),
        ("[1]", "is no JSON object"),
        ('{"user": "ada", "weight": NaN}', "is not JSON"),
    ],
)
def test_a_bad_comparison_is_named(tmp_path, bad, says):
    path = write(tmp_path / "ours.jsonl", GOOD, "", bad, GOOD)
    with pytest.raises(InvalidInputError) as caught:
        read_comparisons(path)
    assert f"{path}, line 3" in caught.value.message
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"user": "p", "item": "4", "vote": 1}, "item is '4', expected an item of"),
        ({"user": "p", "item": "1", "vote": 2}, "vote is 2, expected 1 or 0 or -1"),
        ({"user": "p", "item": "1", "vote": True}, "vote is True"),
        ({"user": "p", "item": "1", "vote": [1]}, "vote is [1]"),
        ({"user": "p", "item": "1"}, "lacks 'vote'"),
        ({"user": "p", "item": "1", "vote": 1, "t": "late"}, "t is 'late'"),
    ],
)
def test_a_bad_vote_is_named(tmp_path, bad, says):
    items = write(tmp_path / "i.jsonl", *ITEMS)
    path = write(tmp_path / "v.jsonl", {"user": "p", "item": "1", "vote": 1}, bad)
    with pytest.raises(InvalidInputError) as caught:
        read_votes(path, items)
    assert f"{path}, line 2" in caught.value.message
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"user": "p", "a": "1", "b": "2", "label": "A"}, "label is 'A'"),
        ({"user": "p", "a": "1", "b": "1", "label": "a"}, "b is '1', expected another text"),
        ({"user": "p", "a": "1", "b": "9", "label": "a"}, "b is '9', expected an item of"),
        ({"user": "p", "a": "1", "label": "a"}, "lacks 'b'"),
    ],
)
def test_a_bad_judgment_is_named(tmp_path, bad, says):
    items = write(tmp_path / "i.jsonl", *ITEMS)
    good = {"user": "p", "a": "1", "b": "2", "label": "a"}
    path = write(tmp_path / "v.jsonl", good, bad)
    with pytest.raises(InvalidInputError) as caught:
        read_votes(path, items)
    assert f"{path}, line 2" in caught.value.message
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([*ITEMS, ITEMS[0]], "line 4: item is '1', expected each item once"),
        ([{"text": "One."}], "line 1 lacks 'item'"),
        ([{"item": "1", "text": " "}], "line 1: text is ' '"),
        ([], "holds no row"),
    ],
)
def test_bad_items_are_named(tmp_path, rows, says):
    items = write(tmp_path / "i.jsonl", *rows)
    path = write(tmp_path / "v.jsonl", {"user": "p", "item": "1", "vote": 1})
    with pytest.raises(InvalidInputError, match=r"i\.jsonl") as caught:
        read_votes(path, items)
    assert says in caught.value.message


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InvalidInputError, match="cannot be read: No such file"):
        read_comparisons(tmp_path / "none.jsonl")
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(gzip.compress(json.dumps(GOOD).encode() * 50)[:-9])
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_comparisons(broken)

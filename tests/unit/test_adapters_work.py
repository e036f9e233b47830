"""Folders of unfinished adapters: who is forgotten goes from them, also from those left behind."""

from __future__ import annotations

import json

import pytest

from persona_engine.adapters.work import Swept, WorkFolder, mark_of, sweep
from persona_engine.types import Scope

ANN, BOB = (mark_of(Scope("acme", name)) for name in ("ann", "bob"))


@pytest.fixture
def broken_off(tmp_path):
    """Two runs that were killed: one with Ann's texts, one with Bob's."""
    for name, mark in (("one", ANN), ("two", BOB)):
        work = WorkFolder(tmp_path / name)
        with work.held([mark]):
            work.checkpoints.mkdir()
            (work.checkpoints / "pairs.jsonl").write_text(f"what {name} said")
    return tmp_path


def test_the_folders_of_a_person_go_and_others_stay(broken_off) -> None:
    assert sweep(broken_off, ANN) == Swept(removed=1, held=0)
    assert [each.name for each in broken_off.iterdir()] == ["two"]
    assert sweep(broken_off, ANN) == Swept(removed=0, held=0)


def test_folders_name_nobody(broken_off) -> None:
    told = json.loads((broken_off / "one" / "people.json").read_text())
    assert told == {"people": [ANN]}
    assert "ann" not in ANN
    assert mark_of(Scope("other", "ann")) != ANN


def test_a_folder_that_does_not_tell_whose_texts_it_holds_goes(broken_off) -> None:
    (broken_off / "two" / "people.json").unlink()
    assert sweep(broken_off, ANN) == Swept(removed=2, held=0)


def test_a_folder_in_use_goes_when_its_run_ends(broken_off) -> None:
    work = WorkFolder(broken_off / "one")
    with work.held([ANN]):
        assert sweep(broken_off, ANN) == Swept(removed=0, held=1)
        assert (work.checkpoints / "pairs.jsonl").exists()
    assert not work.checkpoints.exists()


def test_a_folder_in_use_whose_run_is_killed_goes_with_the_next_sweep(broken_off) -> None:
    (broken_off / "one" / "forgotten").touch()  # found in use, then its process was killed
    assert sweep(broken_off) == Swept(removed=1, held=0)


def test_a_run_that_goes_on_begins_anew_after_somebody_was_forgotten(broken_off) -> None:
    (broken_off / "one" / "forgotten").touch()
    with WorkFolder(broken_off / "one").held([BOB]):
        assert sorted(each.name for each in (broken_off / "one").iterdir()) == [
            ".lock",
            "people.json",
        ]


def test_there_may_be_no_folder_at_all(tmp_path) -> None:
    assert sweep(tmp_path / "never", ANN) == Swept(removed=0, held=0)

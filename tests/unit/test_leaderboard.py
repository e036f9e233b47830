"""The leaderboard is what `persona evaluate` found, between its marks and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def leaderboard(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import leaderboard

    return leaderboard


def row(method, shots, **figures):
    names = ("accuracy", "accuracy_se", "nll", "ece", "worst_decile", "adapt_ms", "fit_s")
    empty = dict.fromkeys(names)
    return {"method": method, "shots": shots, "status": "ok", **empty, **figures}


def test_few_shot_figures_stand_under_their_shots(leaderboard):
    board = leaderboard.polis("ssis", disjoint=True)
    rows = [
        row("bradley_terry", 4, accuracy=0.8164, accuracy_se=0.011, nll=0.424, adapt_ms=0.0034),
        row("bradley_terry", 16, accuracy=0.8, accuracy_se=None, worst_decile=0.5),
        {**row("broken", 4), "status": "failed"},
    ]
    heading, _, command, _, columns, _, pooled, broken, _ = leaderboard.section(board, rows).split(
        "\n"
    )
    assert heading == "### polis_ssis, item-disjoint"
    assert "--disjoint items" in command
    named = dict(zip(columns.split(" | "), pooled.split(" | "), strict=True))
    assert named["| method"] == "| `bradley_terry`"
    assert (named["acc. 0"], named["acc. 4"], named["acc. 16"]) == ("", "81.6 ± 1.1", "80.0")
    assert (named["NLL 4"], named["worst tenth 16"]) == ("0.424", "50.0")
    assert broken.startswith("| `broken` | failed |")
    assert broken.count("|") == columns.count("|") == pooled.count("|")


def test_left_out_groups_have_two_subsets(leaderboard):
    board = leaderboard.BOARDS[-1]
    rows = [
        {**row("lore", None, accuracy=0.74, nll=0.55), "subset": "all"},
        {
            **row("lore", None, accuracy=0.76, nll=0.52),
            "subset": "more than 50 comparisons",
        },
    ]
    assert "| `lore` | 74.0 | 0.550 | 76.0 | 0.520 |" in leaderboard.section(board, rows)


def test_only_what_is_between_the_marks_is_replaced(leaderboard, tmp_path, monkeypatch):
    page = tmp_path / "README.md"
    monkeypatch.setattr(leaderboard, "README", page)
    page.write_text(f"before\n{leaderboard.BEGIN}\nold\n{leaderboard.END}\nafter\n")
    leaderboard.write("new")
    leaderboard.write("newer")
    assert page.read_text() == f"before\n{leaderboard.BEGIN}\nnewer\n{leaderboard.END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(SystemExit, match="lacks the lines"):
        leaderboard.write("new")
    assert page.read_text() == "no marks"


def test_the_page_has_the_marks(leaderboard):
    page = leaderboard.README.read_text()
    assert page.index(leaderboard.BEGIN) < page.index(leaderboard.END)

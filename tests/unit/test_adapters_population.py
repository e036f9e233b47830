"""People of planted groups: who they are, and what they answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from persona_engine.onboarding import STYLES, question_bank

SCRIPTS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def population(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import adapters_population

    return adapters_population


def test_groups_have_their_shares_and_each_is_held_out_alike(population):
    people = population.planted(users=100, noise=20, seed=3)
    assert [int((people.group == each).sum()) for each in range(-1, 4)] == [20, 30, 30, 30, 10]
    held = [int((people.new & (people.group == each)).sum()) for each in range(-1, 4)]
    assert held == [5, 8, 8, 8, 2]


def test_no_question_stands_in_both_splits_and_each_style_in_either(population):
    people = population.planted(seed=1)
    known, held_out = people.questions["known"], people.questions["held_out"]
    assert sorted([*known, *held_out]) == list(range(len(question_bank())))
    for places in (known, held_out):
        assert {question_bank()[each].style for each in places} == set(STYLES)


def test_fewer_answers_are_the_first_of_more(population):
    people = population.planted(users=10, noise=2)
    few, more = people.comparisons(answers=4), people.comparisons(answers=9)
    mine = [row for row in more if row["user"] == people.names[0]]
    assert few[:4] == mine[:4]
    assert len(mine) == 9


def test_who_is_held_out_is_left_out_on_request(population):
    people = population.planted(users=20, noise=4)
    told = {row["user"] for row in people.comparisons(new=False)}
    held = {row["user"] for row in people.comparisons("held_out", new=True)}
    assert not told & held
    assert told | held == set(people.names)


def test_members_choose_their_groups_pole_and_noise_either(population):
    people = population.planted(users=100, noise=100, spread=0.0)
    rows = people.comparisons(answers=96)
    place = {name: number for number, name in enumerate(people.names)}
    style = {(q.prompt, q.a): q for q in question_bank()} | {
        (q.prompt, q.b): q for q in question_bank()
    }
    long_by_group = {each: [] for each in range(-1, 4)}
    for row in rows:
        asked = style[row["prompt"], row["chosen"]]
        if asked.style == "length":
            high = asked.a if asked.high == "a" else asked.b
            long_by_group[int(people.group[place[row["user"]]])].append(row["chosen"] == high)
    liked = {each: float(np.mean(found)) for each, found in long_by_group.items()}
    assert liked[people.groups.index("terse")] < 0.1
    assert liked[people.groups.index("technical")] > 0.85
    assert abs(liked[population.NOISE] - 0.5) < 0.06


def test_a_seed_decides_all(population):
    one, same, other = (population.planted(users=20, seed=seed) for seed in (5, 5, 6))
    assert one.comparisons() == same.comparisons()
    assert one.comparisons() != other.comparisons()

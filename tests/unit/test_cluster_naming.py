"""Clusters keep their names while they keep their users; new ones are called by their tastes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from persona_engine.adapters.naming import heaviest_matching, inherited, new_name
from persona_engine.types import Taste

BRIEF = Taste("length", "concise", "detailed", -4.0, 0.5)
BLUNT = Taste("directness", "diplomatic", "blunt", 2.0, 0.5)
UNSURE = Taste("emoji", "no emoji", "emoji", 0.1, 2.0)
STORY = Taste("narrative", "plain facts", "told as a story", 1.0, 0.2)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 5), (5, 2), (4, 4)])
def test_the_matching_is_the_heaviest_of_all(shape):
    rng = np.random.default_rng(sum(shape))
    for _ in range(20):
        weight = rng.random(shape).round(2)
        found = heaviest_matching(weight)
        assert len(found) == len(set(found.values())) == min(shape)
        tall = weight if shape[0] <= shape[1] else weight.T
        best = max(
            sum(tall[row, column] for row, column in enumerate(columns))
            for columns in itertools.permutations(range(tall.shape[1]), tall.shape[0])
        )
        assert sum(weight[pair] for pair in found.items()) == pytest.approx(best)


def test_a_cluster_that_splits_keeps_its_name_where_most_users_are():
    old = np.eye(2)[[0] * 10 + [1] * 6].astype(np.float32)
    new = np.eye(3)[[0] * 3 + [2] * 7 + [1] * 6].astype(np.float32)
    assert inherited(old, new) == {1: 1, 2: 0}


def test_clusters_that_share_nobody_are_strangers():
    old = np.eye(2)[[0] * 5 + [0] * 5].astype(np.float32)
    new = np.eye(2)[[0] * 5 + [1] * 5].astype(np.float32)
    assert set(inherited(old, new).values()) == {0}


def test_a_name_says_what_is_sure():
    assert new_name([BRIEF, UNSURE, BLUNT], ()) == "concise-blunt"
    assert new_name([STORY], ()) == "told-as-a-story"


def test_a_name_that_is_taken_says_more_then_counts():
    assert new_name([BRIEF, BLUNT, STORY], {"concise-blunt"}) == "concise-blunt-told-as-a-story"
    taken = {"concise-blunt", "concise-blunt-2"}
    assert new_name([BRIEF, BLUNT], taken) == "concise-blunt-3"


def test_without_a_sure_taste_there_is_a_number():
    assert new_name([UNSURE], {"group-1"}) == "group-2"
    assert new_name([], ()) == "group-1"


def test_names_are_short_and_plain():
    wordy = [Taste(f"s{n}", "x", f"Ünlikely &  long pole number {n} of many", 3.0, 0.1)
             for n in range(4)]  # fmt: skip
    for taken in ((), {new_name(wordy, ())}):
        name = new_name(wordy, taken)
        assert len(name) <= 64
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")

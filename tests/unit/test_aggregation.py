"""One reply for several people: what each rule puts first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from persona_engine.aggregation import RULES, aggregate
from persona_engine.errors import InvalidInputError
from persona_engine.types import Score


def score(rows, std=0.0):
    mean = np.array(rows, np.float32)
    return Score(mean, np.full_like(mean, std))


SPLIT = score([[3, 1, 0], [3, 1, 0], [0, 1, 2]])  # two of three want the first, one wants the last


def test_the_mean_serves_the_majority_and_maxmin_the_least_pleased():
    assert aggregate(SPLIT, rule="mean").order == (0, 1, 2)
    fair = aggregate(SPLIT, rule="maxmin")
    assert fair.order[0] == 1
    assert fair.least_pleased[0] == 2
    np.testing.assert_allclose(fair.rewards, [-1, -1 / 3, -4 / 3], atol=1e-6)


def test_leximin_breaks_ties_by_the_second_least_pleased():
    tied = score([[-1, -1, 2], [-1, 0.5, 0.5], [4, 0.5, -4.5]])
    assert aggregate(tied, rule="maxmin").order[:2] == (0, 1)  # by the mean
    assert aggregate(tied, rule="leximin").order[:2] == (1, 0)  # by the second


def test_a_constant_of_one_person_changes_nothing():
    shifted = score([[103, 101, 100], [3, 1, 0], [-50, -49, -48]])
    for rule in RULES:
        assert aggregate(shifted, rule=rule).order == aggregate(SPLIT, rule=rule).order


def test_spread_is_of_what_the_rule_maximises():
    unsure = Score(SPLIT.mean, np.float32([[1, 1, 1], [2, 2, 2], [4, 4, 4]]))
    np.testing.assert_allclose(aggregate(unsure, rule="mean").spreads, np.sqrt(21) / 3, atol=1e-6)
    fair = aggregate(unsure, rule="maxmin")
    np.testing.assert_allclose(fair.spreads, unsure.std[fair.least_pleased, np.arange(3)])


def test_weights_count_people_and_zero_leaves_out():
    assert aggregate(SPLIT, rule="mean", weight=[1, 1, 8]).order[0] == 2
    alone = aggregate(SPLIT, rule="maxmin", weight=[1, 1, 0])
    assert alone.order == (0, 1, 2)
    assert set(alone.least_pleased) == {0}


@settings(max_examples=50, deadline=None)
@given(arrays(np.float32, (4, 5), elements=st.floats(-10, 10, width=16)))
def test_no_candidate_serves_the_least_pleased_better(rewards):
    found = aggregate(score(rewards), rule="maxmin")
    least = (rewards - rewards.mean(1, keepdims=True)).min(0)
    assert least[found.order[0]] >= least.max() - 1e-4
    lexi = aggregate(score(rewards), rule="leximin")
    assert least[lexi.order[0]] >= least.max() - 1e-4
    assert sorted(found.order) == sorted(lexi.order) == list(range(5))


@pytest.mark.parametrize(
    ("bad", "options", "word"),
    [
        (SPLIT, {"rule": "sum"}, "rule"),
        (Score(np.zeros(3, np.float32), np.zeros(3, np.float32)), {}, "shape"),
        (score(np.zeros((0, 3))), {}, "shape"),
        (score([[np.nan, 1.0]]), {}, "finite"),
        (SPLIT, {"weight": [1, 1]}, "weight"),
        (SPLIT, {"weight": [0, 0, 0]}, "weight"),
        (SPLIT, {"weight": [1, -1, 1]}, "weight"),
    ],
)
def test_bad_arguments_are_named(bad, options, word):
    with pytest.raises(InvalidInputError, match=word):
        aggregate(bad, **options)

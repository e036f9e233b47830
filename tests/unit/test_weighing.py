"""Sources, age and label noise decide how much a comparison counts."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from persona_engine.store import NewComparison
from persona_engine.types import Comparison
from persona_engine.weighing import EvidencePolicy

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def event(days_ago: float, *, weight: float = 1.0, source: str = "comparison") -> Comparison:
    return Comparison("1", "?", "a", "b", weight, source, NOW - timedelta(days=days_ago))


def test_by_default_weights_are_what_they_are() -> None:
    events = [event(900, weight=0.25), event(0, weight=3)]
    assert EvidencePolicy().weights(events).tolist() == [0.25, 3.0]


def test_sources_count_as_told() -> None:
    policy = EvidencePolicy(source_weights={"rating": 0.5, "edit": 2})
    events = [event(0, source=each, weight=0.5) for each in ("rating", "edit", "choice")]
    assert policy.weights(events).tolist() == [0.25, 1.0, 0.5]


def test_what_is_older_by_a_half_life_counts_half() -> None:
    policy = EvidencePolicy(half_life_days=10)
    events = [event(30), event(20), event(10)]
    np.testing.assert_allclose(policy.weights(events), [0.25, 0.5, 1.0])


def test_each_user_ages_by_their_own_newest() -> None:
    policy = EvidencePolicy(half_life_days=10)
    events = [event(30), event(20), event(10)]
    newest = [events[1].created_at, events[1].created_at, events[2].created_at]
    np.testing.assert_allclose(policy.weights(events, newest=newest), [0.5, 1.0, 1.0])


def test_what_is_about_to_be_recorded_is_not_old() -> None:
    policy = EvidencePolicy(half_life_days=1)
    assert policy.weights([NewComparison("?", "a", "b", 0.5)]).tolist() == [0.5]


@pytest.mark.parametrize("policy", [EvidencePolicy(), EvidencePolicy(half_life_days=1.0)])
def test_nothing_weighs_nothing(policy) -> None:
    assert policy.weights([]).shape == (0,)


def test_answers_fade_by_later_ones() -> None:
    policy = EvidencePolicy(half_life_answers=2)
    assert policy.drifts
    events = [event(0, weight=2), event(0), event(0)]
    np.testing.assert_allclose(policy.weights(events), [1.0, 0.5**0.5, 1.0])


def test_each_user_ages_by_their_own_later_answers() -> None:
    policy = EvidencePolicy(half_life_answers=1)
    weights = policy.weights([event(0)] * 5, later=np.array([2, 1, 0, 1, 0]))
    assert weights.tolist() == [0.25, 0.5, 1.0, 0.5, 1.0]


def test_an_answer_fades_by_time_and_by_number() -> None:
    policy = EvidencePolicy(half_life_days=10, half_life_answers=1)
    np.testing.assert_allclose(policy.weights([event(10), event(0)]), [0.25, 1.0])

"""Few users cannot shape what all share; those who look like one are told, honest ones not."""

from __future__ import annotations

import numpy as np
import pytest

from persona_bradley_terry.reward_model import BradleyTerry
from persona_engine.trust import guarded
from persona_engine.trust.alike import together
from persona_engine.types import PreferenceData

WIDTH, EACH = 6, 12
SHARED = np.array([2.0, -1.5, 1.0, 0.0, 0.0, 0.0])


def crowd(weights, seed=0, each=EACH):
    """Return comparisons of users with the given weights ``(U, D)``."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(len(weights)), each)
    a, b = rng.normal(size=(2, len(user), WIDTH)).astype(np.float32)
    logit = ((a - b) * weights[user]).sum(1)
    first = (rng.random(len(user)) < 1 / (1 + np.exp(-logit)))[:, None]
    return PreferenceData(np.where(first, a, b), np.where(first, b, a), user, "planted")


def joined(*parts):
    """Return several crowds as one; users are numbered on."""
    offset, users = 0, []
    for each in parts:
        users.append(each.user + offset)
        offset += int(each.user.max()) + 1
    return PreferenceData(
        np.concatenate([each.chosen for each in parts]),
        np.concatenate([each.rejected for each in parts]),
        np.concatenate(users),
        "planted",
    )


def judged(data, began=None):
    count = int(data.user.max()) + 1
    steady = 86_400.0 * np.arange(count) if began is None else began
    names = [f"user-{each}" for each in range(count)]
    rng = np.random.default_rng(0)
    return guarded(data, names, steady, pooled=BradleyTerry(), rng=rng)


def per_user(data, weight):
    return np.bincount(data.user, weight) / np.bincount(data.user)


def alike_users(users, seed=5, each=EACH):
    one = crowd(np.tile(-SHARED, (1, 1)), seed, each)
    return joined(*[one] * users)


def test_an_honest_crowd_keeps_its_weight() -> None:
    rng = np.random.default_rng(1)
    data = crowd(SHARED + rng.normal(scale=0.5, size=(100, WIDTH)))
    weight, report = judged(data)
    assert weight.sum() > 0.95 * len(data)
    assert report.capped == 0
    assert report.outliers <= 8
    assert report.bursts == ()
    assert report.largest_share < 0.02


def test_opposite_camps_are_nobodys_outliers() -> None:
    data = crowd(np.concatenate([np.tile(SHARED, (55, 1)), np.tile(-SHARED, (45, 1))]))
    weight, report = judged(data)
    assert report.outliers <= 3
    assert weight.sum() > 0.98 * len(data)


def test_a_minority_is_no_band_of_outliers() -> None:
    data = crowd(np.concatenate([np.tile(SHARED, (80, 1)), np.tile(-SHARED, (20, 1))]), each=30)
    weight, report = judged(data)
    assert report.outliers <= 7
    assert per_user(data, weight)[80:].mean() > 0.9


def test_one_user_counts_at_most_as_five_or_as_a_hundredth() -> None:
    data = joined(crowd(np.tile(SHARED, (40, 1))), crowd(-SHARED[None], 3, each=5_000))
    weight, report = judged(data)
    assert report.capped == 1
    assert "user-40" in report.names
    assert weight[data.user == 40].sum() <= 5 * EACH + 1e-3
    assert report.largest_share < 0.12


def test_flipped_labels_hardly_count() -> None:
    honest, liars = np.tile(SHARED, (95, 1)), np.tile(-SHARED, (5, 1))
    data = crowd(np.concatenate([honest, liars]), 2, each=30)
    weight, report = judged(data)
    shares = per_user(data, weight)
    assert shares[95:].max() < 0.5
    assert shares[:95].mean() > 0.95
    assert {f"user-{each}" for each in range(95, 100)} <= set(report.names)


def test_users_of_one_hand_count_as_one() -> None:
    data = joined(crowd(np.tile(SHARED, (60, 1))), alike_users(8))
    began = 86_400.0 * np.arange(68)
    began[60:] = began[59] + np.arange(8) * 10.0
    weight, report = judged(data, began)
    kinds = {each.kind: each for each in report.bursts}
    assert kinds["sybil"].users == 8
    assert kinds["sybil"].names[0] == "user-60"
    assert kinds["sybil"].seconds == pytest.approx(70.0)
    assert weight[data.user >= 60].sum() <= EACH + 1e-3


def test_users_alike_who_came_apart_are_told_but_count() -> None:
    data = joined(crowd(np.tile(SHARED, (60, 1))), joined(*[crowd(SHARED[None], 9)] * 4))
    weight, report = judged(data)
    assert [each.kind for each in report.bursts] == ["alike"]
    assert per_user(data, weight)[60:].min() > 0.9


def test_the_same_few_questions_answered_alike_are_no_sign() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 10, WIDTH)).astype(np.float32)
    user = np.repeat(np.arange(80), 10)
    first = np.tile(((a - b) @ SHARED > 0)[:, None], (80, 1))
    pairs = np.tile(a, (80, 1)), np.tile(b, (80, 1))
    data = PreferenceData(np.where(first, *pairs), np.where(first, *pairs[::-1]), user, "planted")
    weight, report = judged(data)
    assert report.bursts == ()
    assert weight.sum() > 0.95 * len(data)


def test_newcomers_all_at_once_stand_out_of_a_steady_stream() -> None:
    rng = np.random.default_rng(6)
    steady = np.cumsum(rng.exponential(7_200.0, 300))
    assert list(together(steady)) == []
    crowd_of_bots = steady[150] + rng.uniform(0.0, 30.0, 25)
    ((group, window),) = together(np.concatenate([steady, crowd_of_bots]))
    assert window == 60.0
    assert set(range(300, 325)) <= set(group.tolist())
    assert len(group) <= 27


def test_an_import_of_everybody_is_no_burst() -> None:
    assert list(together(np.zeros(500))) == []
    assert list(together(1e-3 * np.arange(500.0))) == []


def test_of_few_users_nobody_is_an_outlier() -> None:
    data = crowd(np.concatenate([np.tile(SHARED, (10, 1)), -SHARED[None]]))
    weight, report = judged(data)
    assert report.outliers == 0
    assert (weight == 1.0).all()

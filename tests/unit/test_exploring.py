"""Candidates are shown as often as their propensities say, and estimators undo what was logged."""

from __future__ import annotations

import numpy as np
import pytest

from persona_engine.errors import InvalidInputError
from persona_engine.exploring import POLICIES, propensities, relative_rewards
from persona_engine.replay import Log, doubly_robust, ips, snips
from persona_engine.types import Score


class Gaussian:
    """The reward of a linear model with a known Gaussian over its weights."""

    def __init__(self, mean, covariance):
        self.mean, self.covariance = np.float32(mean), np.float32(covariance)

    def score(self, features):
        spread = np.sqrt(np.einsum("bd,de,be->b", features, self.covariance, features))
        return Score(features @ self.mean, spread)

    def logit(self, a, b):
        return self.score(a - b)


def known(*mean, spread=0.0):
    return Score(np.float32(mean), spread**2 * np.eye(len(mean), dtype=np.float32))


def test_relative_rewards_are_those_of_the_posterior() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    reward = Gaussian(rng.normal(size=5), root @ root.T)
    features = rng.normal(size=(4, 5)).astype(np.float32)
    found = relative_rewards(features, reward)
    centred = features - features.mean(0)
    np.testing.assert_allclose(found.mean, centred @ reward.mean, atol=1e-5)
    np.testing.assert_allclose(found.std, centred @ reward.covariance @ centred.T, atol=1e-3)


def test_one_candidate_is_always_shown() -> None:
    alone = relative_rewards(np.ones((1, 2), np.float32), Gaussian([1, 1], np.eye(2)))
    for policy in POLICIES:
        assert propensities(alone, policy, epsilon=0.3).tolist() == [1.0]


@pytest.mark.parametrize("policy", POLICIES)
def test_propensities_are_probabilities_and_at_least_their_share_of_epsilon(policy) -> None:
    shares = propensities(known(3.0, 0.0, -3.0, spread=0.1), policy, epsilon=0.3)
    assert shares.sum() == pytest.approx(1.0)
    assert shares.min() == pytest.approx(0.1) or policy == "uniform"
    assert shares.argmax() == 0 or policy == "uniform"


def test_thompson_shows_each_as_often_as_it_is_best() -> None:
    even = propensities(known(0.0, 0.0, spread=1.0), "thompson", epsilon=0.0)
    assert even == pytest.approx([0.5, 0.5], abs=0.03)
    # Of two independent normal rewards the first is larger with probability Φ(1 / √2).
    ahead = propensities(known(1.0, 0.0, spread=1.0), "thompson", epsilon=0.0)
    assert ahead[0] == pytest.approx(0.760, abs=0.02)
    assert (ahead == propensities(known(1.0, 0.0, spread=1.0), "thompson", epsilon=0.0)).all()


def test_ucb_prefers_what_could_be_best() -> None:
    rewards = Score(np.float32([0.3, 0.0]), np.diag(np.float32([0.0, 1.0])))
    assert propensities(rewards, "ucb", epsilon=0.0).tolist() == [0.0, 1.0]
    assert propensities(rewards, "ucb", epsilon=0.0, optimism=0.1).tolist() == [1.0, 0.0]
    assert propensities(rewards, "greedy", epsilon=0.0).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy": "best", "epsilon": 0.1}, "explore is 'best'"),
        ({"policy": "ucb", "epsilon": 1.5}, "epsilon is 1.5"),
        ({"policy": "ucb", "epsilon": True}, "epsilon is True"),
        ({"policy": "ucb", "epsilon": 0.1, "optimism": -1}, "optimism is -1"),
    ],
)
def test_settings_out_of_range_are_named(settings, message) -> None:
    with pytest.raises(InvalidInputError, match=message):
        propensities(known(0.0, 0.0), **settings)


@pytest.fixture(scope="module")
def logged():
    """Return 4,000 choices of 400 users: whose arms pay 0.2, 0.5 and 0.8 on average."""
    rng = np.random.default_rng(1)
    pay = np.array([0.2, 0.5, 0.8])
    propensity = np.array([0.6, 0.3, 0.1])
    shown = rng.choice(3, 4_000, p=propensity)
    reward = (rng.random(4_000) < pay[shown]).astype(float)
    user = np.repeat(np.arange(400), 10)
    target = np.array([0.0, 0.2, 0.8])  # earns 0.74
    return Log(reward, propensity[shown], target[shown], user), shown, target


def test_every_estimator_finds_what_the_other_policy_earns(logged) -> None:
    log, shown, target = logged
    guess = np.array([0.1, 0.5, 0.9])  # a reward model that is roughly right
    robust = doubly_robust(log, guess[shown], np.full(4_000, target @ guess))
    for estimate in (ips(log), snips(log), robust):
        assert abs(estimate.value - 0.74) < 3 * estimate.error
        assert 0.001 < estimate.error < 0.1
    assert robust.error < ips(log).error
    assert snips(log).error < ips(log).error


def test_errors_are_about_as_large_as_the_estimates_vary() -> None:
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        shown = rng.integers(0, 2, 300)
        mood = rng.normal(size=30).repeat(10)  # shared by all choices of a user
        reward = shown + mood
        user = np.arange(30).repeat(10)
        found.append(ips(Log(reward, np.full(300, 0.5), (shown == 1).astype(float), user)))
    spread = np.std([each.value for each in found])
    assert np.mean([each.error for each in found]) == pytest.approx(spread, rel=0.3)


def test_equal_weights_are_worth_every_choice(logged) -> None:
    log, _, _ = logged
    same = Log(log.reward, log.propensity, log.propensity, log.user)
    assert same.effective == pytest.approx(4_000)
    assert log.effective < 1_000
    assert ips(same).value == pytest.approx(log.reward.mean())


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("reward", np.array([np.nan]), "not finite"),
        ("propensity", np.array([0.0]), "not above 0"),
        ("target", np.array([1.5]), "not from 0 to 1"),
        ("target", np.array([]), "rows"),
    ],
)
def test_bad_logs_are_refused(column, value, message) -> None:
    columns = {
        "reward": np.ones(1),
        "propensity": np.ones(1),
        "target": np.ones(1),
        "user": np.zeros(1, np.int64),
    }
    with pytest.raises(InvalidInputError, match=message):
        Log(**{**columns, column: value})

"""Rewards of several people, of a host's function, and sums of them."""

from __future__ import annotations

import numpy as np
import pytest

from persona_best_of_n import BestOfN
from persona_engine.errors import InvalidInputError, PluginError
from persona_engine.rewards import (
    HostReward,
    Shared,
    Together,
    Weighted,
    compose,
    host_reward,
    reward_parts,
)
from persona_engine.testing import BigramGenerator
from persona_engine.testing.decoders import LinearReward
from persona_engine.types import DecodingRequest, FloatArray, Sampling, Score

FEATURES = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
TEXTS = ["a", "bb", "ccc", "dddd", "eeeee"]
ASK = [{"role": "user", "content": "Where shall we go ?"}]


def linear(seed: int, spread: float = 0.5) -> LinearReward:
    taste = np.random.default_rng(seed).normal(size=8).astype(np.float32)
    return LinearReward(taste, spread=spread)


def length(texts):
    return [float(len(each)) for each in texts]


def bound(reward, texts=TEXTS, features=FEATURES) -> tuple[FloatArray, object]:
    return reward.of_texts(texts, features)


def test_a_sum_adds_means_and_variances():
    one, two = linear(1), linear(2, spread=0.2)
    found = Weighted([(one, 2.0), (two, -0.5)]).score(FEATURES)
    mean = 2.0 * one.score(FEATURES).mean - 0.5 * two.score(FEATURES).mean
    assert np.allclose(found.mean, mean, atol=1e-5)
    assert np.allclose(found.std, np.hypot(2.0 * 0.5, 0.5 * 0.2))


def test_a_sum_of_what_reads_features_and_what_reads_words():
    taste = linear(1)
    rows, known = bound(Weighted([(taste, 1.0), (HostReward(length), 3.0)]))
    expected = taste.score(FEATURES).mean + 3.0 * np.array(length(TEXTS))
    assert np.allclose(known.score(rows).mean, expected, atol=1e-4)
    logit = known.logit(rows[[3]], rows[[1]])
    assert logit.mean[0] == pytest.approx(expected[3] - expected[1], abs=1e-4)
    # Of unfinished text the words do not count.
    unfinished = Weighted([(taste, 1.0), (HostReward(length), 3.0)]).score(FEATURES)
    assert np.allclose(unfinished.mean, taste.score(FEATURES).mean)


def test_a_hosts_function_may_say_how_sure_it_is():
    unsure = HostReward(lambda texts: Score(np.float32(length(texts)), np.full(len(texts), 2.0)))
    rows, known = bound(unsure)
    assert known.logit(rows[[4]], rows[[0]]).mean[0] == 4.0
    assert known.logit(rows[[4]], rows[[0]]).std[0] == pytest.approx(np.sqrt(8.0))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda texts: [1.0],
        lambda texts: [float("nan")] * len(texts),
        lambda texts: None,
        lambda texts: ["good"] * len(texts),
    ],
)
def test_what_a_hosts_function_returns_is_checked(wrong):
    with pytest.raises(PluginError, match="5 finite numbers"):
        bound(HostReward(wrong))


def test_the_least_pleased_person_decides_under_maxmin():
    people = [linear(1, 0.0), linear(2, 0.0), linear(3, 0.0)]
    relative = np.array([each.score(FEATURES).mean for each in people])
    relative -= relative.mean(1, keepdims=True)
    found = Shared(people, rule="maxmin").score(FEATURES)
    assert np.allclose(found.mean, relative.min(0), atol=1e-5)
    assert np.allclose(
        Shared(people, rule="mean").score(FEATURES).mean, relative.mean(0), atol=1e-5
    )


@pytest.mark.parametrize("rule", ["mean", "maxmin"])
def test_preferences_of_a_group_are_antisymmetric_and_of_one_are_theirs(rule):
    a, b = FEATURES[:2], FEATURES[2:4]
    group = Shared([linear(1), linear(2), linear(3)], rule=rule)
    there, back = group.logit(a, b), group.logit(b, a)
    assert np.allclose(there.mean, -back.mean, atol=1e-5)
    assert np.allclose(there.std, back.std)
    alone = Shared([linear(1)], rule=rule).logit(a, b)
    assert np.allclose(alone.mean, linear(1).logit(a, b).mean, atol=1e-5)
    assert np.allclose(alone.std, 0.5)


def test_a_group_may_hold_who_reads_words():
    rows, known = bound(Shared([linear(1, 0.0), HostReward(length)], rule="mean"))
    expected = linear(1).score(FEATURES).mean + np.array(length(TEXTS))
    assert np.allclose(known.score(rows).mean, (expected - expected.mean()) / 2, atol=1e-4)


def test_decoders_follow_a_hosts_function():
    request = DecodingRequest(ASK, Sampling(temperature=1.0, max_tokens=12), 8, seed=3)
    reward = HostReward(lambda texts: [4.0 * text.count("home") for text in texts])
    found = BestOfN().generate(request, BigramGenerator(), reward)
    assert found.decided
    assert found.candidates[0].text.count("home") == max(
        each.text.count("home") for each in found.candidates
    )


def test_parts_are_named_checked_and_composed():
    assert reward_parts("user") == (("user", 1.0),)
    assert reward_parts(length) == ((length, 1.0),)
    assert reward_parts([("user", 2), (Together(["bob"]), 0.5)])[0] == ("user", 2.0)
    assert compose([]) is None
    taste = linear(1)
    assert compose([(taste, 1.0)]) is taste
    assert host_reward(taste) is taste


@pytest.mark.parametrize(
    "wrong", ["nobody", 3, [], [("user",)], [("user", "much")], [("user", float("inf"))], None]
)
def test_what_is_no_reward_is_refused(wrong):
    with pytest.raises(InvalidInputError):
        reward_parts(wrong)


@pytest.mark.parametrize("wrong", [{"users": []}, {"users": "bob"}, {"users": ["a", "a"]}])
def test_groups_are_checked(wrong):
    with pytest.raises(InvalidInputError, match="users is"):
        Together(**wrong)
    with pytest.raises(InvalidInputError, match="rule is"):
        Together(["a"], rule="leximin")

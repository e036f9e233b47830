"""Blockwise search: who goes on, and what it gains over sampling."""

from __future__ import annotations

import numpy as np
import pytest

from persona_blockwise import Blockwise
from persona_blockwise.promise import Promise, grow
from persona_blockwise.resampling import KeepBest, Resample, systematic
from persona_engine.decoding import PLAIN_REWARD, Outlet, PrefixValue
from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.testing import BigramGenerator, check_decoder
from persona_engine.testing.decoders import LinearReward
from persona_engine.types import DecodingRequest, Sampling, Score

ASK = [{"role": "user", "content": "Where shall we go ?"}]
SETTINGS = [
    {"block": 2, "keep": 1},
    {"block": 3, "choice": "soft", "caution": 0.5},
    {"block": 1, "keep": 3, "likelihood": 0.2},
    {"block": 3, "keep": 1, "look_ahead": 3},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_setting_conforms(settings):
    check_decoder(lambda: Blockwise(**settings))


def test_the_best_stay_and_the_others_places_are_shared_out():
    promise = np.array([9.0, 0.1, 0.9, 0.5, 0.2])
    open_ = np.array([1, 2, 3, 4])
    assert KeepBest(1).choose(promise, open_).tolist() == [2, 2, 2, 2]
    assert sorted(KeepBest(2).choose(promise, open_).tolist()) == [2, 2, 3, 3]
    assert KeepBest(9).choose(promise, open_).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_nobody_gives_way_where_the_reward_tells_nothing_apart(settings):
    """What only words show, as instructions that a program checks, chooses among whole replies."""
    request = DecodingRequest(ASK, Sampling(temperature=1.0, max_tokens=24), 8, 4)
    blind = LinearReward(np.zeros(8, np.float32), spread=1e-3)
    found = Blockwise(length_spread=0.0, **settings).generate(request, BigramGenerator(), blind)
    branches = BigramGenerator().prefill(ASK, branches=8, seed=4)
    while not all((result := branches.step(request.sampling)).finished):
        pass
    assert sorted(each.text for each in found.candidates) == sorted(result.texts)


@pytest.mark.parametrize("seed", range(5))
def test_systematic_draws_are_within_one_of_their_share(seed):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(9))
    drawn = np.bincount(systematic(weights, rng), minlength=9)
    assert drawn.sum() == 9
    assert np.all(np.abs(drawn - 9 * weights) < 1.0 + 1e-9)


def test_nothing_is_drawn_while_weights_are_even():
    choice = Resample(5, temperature=1.0, below=0.5, rng=np.random.default_rng(0))
    open_ = np.arange(1, 5)
    assert choice.choose(np.array([0.0, 1.0, 1.1, 0.9, 1.0]), open_).tolist() == [1, 2, 3, 4]
    drawn = choice.choose(np.array([0.0, 9.0, 1.1, 0.9, 1.0]), open_)
    assert set(drawn.tolist()) == {1}


def test_a_reward_is_paid_for_once():
    choice = Resample(5, temperature=1.0, below=0.5, rng=np.random.default_rng(0))
    open_, rich = np.arange(1, 5), np.array([0.0, 9.0, 0.0, 0.0, 0.0])
    assert set(choice.choose(rich, open_).tolist()) == {1}
    # All four now stem from the rich branch: their weights are even again.
    assert choice.choose(np.full(5, 9.0), open_).tolist() == [1, 2, 3, 4]


def test_soft_choices_follow_the_weights_on_average():
    open_, promise = np.arange(3), np.array([0.0, 0.0, np.log(4.0)])
    counts = np.zeros(3)
    for seed in range(400):
        choice = Resample(3, temperature=1.0, below=1.0, rng=np.random.default_rng(seed))
        counts += np.bincount(choice.choose(promise, open_), minlength=3)
    np.testing.assert_allclose(counts / counts.sum(), [1 / 6, 1 / 6, 4 / 6], atol=0.03)


def mean_reward(decoder, taste):
    generator = BigramGenerator()
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=24)
    found = [
        decoder.generate(DecodingRequest(ASK, sampling, 8, seed), generator, taste)
        for seed in range(60)
    ]
    return float(np.mean([taste.score(each.features[:1]).mean[0] for each in found]))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_choosing_on_the_way_gains_over_plain_sampling(settings):
    direction = np.random.default_rng(5).normal(size=8)
    taste = LinearReward(np.float32(6.0 * direction), spread=1e-3)
    plain = mean_reward(Blockwise(block=4096, keep=1, min_confidence=1.0), taste)
    assert mean_reward(Blockwise(**settings), taste) > plain + 1.0


class EndsAtHome:
    """A rule that only a whole text keeps or breaks, and a taste that words alone have."""

    def __init__(self):
        self.asked = []

    def of_texts(self, texts, features):
        self.asked.append(tuple(texts))
        kept = [[float(text.endswith("home ."))] for text in texts]
        return np.array(kept, np.float32), LinearReward(np.array([8.0], np.float32), spread=1e-3)

    def score(self, features):
        return Score(np.zeros(len(features), np.float32), np.zeros(len(features), np.float32))

    def logit(self, a, b):
        return self.score(a - b)


def test_rules_about_the_whole_count_for_what_ends_within_the_look_ahead():
    generator, rule = BigramGenerator(), EndsAtHome()
    branches = generator.prefill(ASK, branches=12, seed=3)
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=12)
    grown = grow(branches, sampling, steps=3, on_step=lambda _: None)
    open_ = np.flatnonzero(~np.array(grown.result.finished))
    promise = Promise(rule, PLAIN_REWARD, 4, None, Outlet(None))
    values = promise.of(branches, open_, sampling, grown)
    (ended,) = rule.asked
    kept = [8.0 * text.endswith("home .") for text in ended]
    assert 1 < len(ended) < len(open_)
    unknown = len(open_) - len(ended)
    expected = sorted([*kept, *[np.mean(kept)] * unknown])
    np.testing.assert_allclose(sorted(values), expected, atol=1e-5)


def test_looking_ahead_changes_nothing_but_the_choice():
    generator = BigramGenerator()
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=12)
    ahead, straight = (generator.prefill(ASK, branches=4, seed=3) for _ in range(2))
    grown, _ = (
        grow(branches, sampling, steps=1, on_step=lambda _: None) for branches in (ahead, straight)
    )
    taste = LinearReward(np.ones(8, np.float32), spread=1e-3)
    promise = Promise(taste, PLAIN_REWARD, 5, None, Outlet(None))
    promise.of(ahead, np.arange(1, 4), sampling, grown)
    one, other = (branches.step(sampling) for branches in (ahead, straight))
    assert one == other


def test_beginnings_are_scored_by_what_they_will_become():
    """A head that knows that one word leads to liked words, though it is none itself."""
    generator = BigramGenerator()
    branches = generator.prefill(ASK, branches=6, seed=5)
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=12)
    grown = grow(branches, sampling, steps=2, on_step=lambda _: None)
    open_ = np.flatnonzero(~np.array(grown.result.finished))
    vectors = generator.feature_encoder.vectors
    newest = np.array(
        [vectors[generator.words.index(grown.result.texts[b].split()[-1])] for b in open_]
    )
    head = PrefixValue(-np.eye(8, dtype=np.float32), np.eye(8, dtype=np.float32), 12.0, "bigram")
    taste = LinearReward(np.eye(8, dtype=np.float32)[0], spread=1e-3)
    values = Promise(taste, PLAIN_REWARD, 0, head, Outlet(None)).of(
        branches, open_, sampling, grown
    )
    so_far = branches.features()[open_]
    rest = so_far.mean(0) - (newest - newest.mean(0))
    np.testing.assert_allclose(values, (2 * so_far + 10 * rest)[:, 0] / 12, atol=1e-4)


def test_the_trace_tells_what_went_on():
    blocks = []
    taste = LinearReward(np.full(8, 3.0, np.float32), spread=1e-3)
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=12)
    request = DecodingRequest(ASK, sampling, 6, 0, record=blocks.append)
    Blockwise(block=2, keep=1).generate(request, BigramGenerator(), taste)
    assert blocks
    for block in blocks:
        rewards = [each.reward for each in block.candidates]
        assert sum(each.kept for each in block.candidates) == len(block.candidates)
        assert block.candidates[int(np.argmax(rewards))].kept == len(rewards)


@pytest.mark.parametrize(
    "settings",
    [
        {"block": 0},
        {"keep": 0},
        {"choice": "worst"},
        {"temperature": 0.0},
        {"look_ahead": -1},
        {"styled": 2.0},
        {"foresee": 2},
        {"caution": -1.0},
        {"likelihood": -1.0},
        {"resample_below": 1.5},
        {"min_confidence": 0.4},
        {"length_spread": -1.0},
    ],
    ids=str,
)
def test_settings_out_of_range_are_named(settings):
    (name,) = settings
    with pytest.raises(ConfigError, match=name):
        Blockwise(**settings)


def test_no_candidates_is_an_error():
    request = DecodingRequest(ASK, Sampling(), 0, 0)
    with pytest.raises(InvalidInputError, match="candidates is 0"):
        Blockwise().generate(request, BigramGenerator(), None)

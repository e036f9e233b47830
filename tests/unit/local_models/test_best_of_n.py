"""The decoder on a real (tiny) generator, and its ranking on rewards that are known."""

from __future__ import annotations

import numpy as np
import pytest

from persona_best_of_n import BestOfN, persona_decoders
from persona_engine.errors import ConfigError, InvalidInputError, PluginError
from persona_engine.generation.local import LocalGenerator
from persona_engine.generation.model import LocalModel
from persona_engine.ranking import rank_candidates
from persona_engine.types import DecodingRequest, Sampling, Score

ASK = ({"role": "user", "content": "How do I make coffee?"},)


class LinearReward:
    """r(x) = w·x with w ~ N(mean, spread² I): what a fitted posterior amounts to."""

    def __init__(self, mean, spread):
        self.mean, self.spread = np.asarray(mean, np.float32), spread

    def score(self, features):
        return Score(features @ self.mean, self.spread * np.linalg.norm(features, axis=1))

    def logit(self, a, b):
        return self.score(a - b)


@pytest.fixture(scope="module")
def generator(tiny_llama):
    return LocalGenerator(LocalModel(tiny_llama, dtype="float32"))


@pytest.fixture(scope="module")
def taste(generator):
    weight = np.zeros(generator.feature_encoder.width)
    weight[0] = 0.1
    return LinearReward(weight, 0.0)


def request(candidates=6, seed=3, **sampling):
    settings = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 24} | sampling
    return DecodingRequest(ASK, Sampling(**settings), candidates, seed)


def test_it_is_registered():
    decoder = persona_decoders()["best_of_n"]()
    assert decoder.name == "best_of_n"


def test_candidates_come_in_the_order_of_their_reward(generator, taste):
    eager = BestOfN(min_confidence=0.5).generate(request(), generator, taste)
    rewards = [candidate.reward for candidate in eager.candidates]
    assert len(set(rewards)) == 6
    assert rewards == sorted(rewards, reverse=True)
    assert sum(rewards) == pytest.approx(0.0, abs=1e-4)
    raw = eager.features @ taste.mean
    np.testing.assert_allclose(rewards, raw - raw.mean(), atol=1e-4)
    assert eager.decided
    assert 0.5 < eager.confidence < 1.0


def test_the_opposite_taste_gets_the_opposite_order(generator, taste):
    opposite = LinearReward(-taste.mean, 0.0)
    one, other = (
        [
            each.text
            for each in BestOfN(min_confidence=0.5)
            .generate(request(), generator, reward)
            .candidates
        ]
        for reward in (taste, opposite)
    )
    assert one == other[::-1]


@pytest.mark.parametrize("seed", range(4))
def test_without_a_reward_it_is_plain_sampling(generator, seed):
    plain = BestOfN().generate(request(seed=seed), generator, None)
    alone = BestOfN().generate(request(candidates=1, seed=seed), generator, None)
    assert len(plain.candidates) == 1
    assert plain.candidates == alone.candidates
    assert (plain.decided, plain.confidence) == (False, None)
    assert plain.candidates[0].reward is None


@pytest.mark.parametrize("seed", range(4))
def test_an_unsure_reward_gives_the_plain_sample(generator, taste, seed):
    unsure = LinearReward(taste.mean, 1e6)
    plain = BestOfN().generate(request(seed=seed), generator, None)
    unsure_reply = BestOfN().generate(request(seed=seed), generator, unsure)
    assert unsure_reply.candidates[0].text == plain.candidates[0].text
    assert not unsure_reply.decided
    assert len(unsure_reply.candidates) == 6
    assert min(candidate.spread for candidate in unsure_reply.candidates) > 0


def test_a_reward_of_nothing_gives_the_plain_sample(generator):
    nothing = LinearReward(np.zeros(generator.feature_encoder.width), 0.0)
    generation = BestOfN().generate(request(), generator, nothing)
    assert not generation.decided
    assert generation.confidence == pytest.approx(0.5)
    assert "plain sample" in generation.reason


def test_temperature_zero_needs_one_branch(generator, taste):
    generation = BestOfN().generate(request(temperature=0.0), generator, taste)
    assert len(generation.candidates) == 1
    assert not generation.decided


@pytest.mark.parametrize("guided", [False, True])
def test_streamed_pieces_make_up_the_first_candidate(generator, taste, guided):
    pieces = []
    reward = taste if guided else None
    generation = BestOfN(min_confidence=0.5).generate(
        request(seed=8), generator, reward, on_text=pieces.append
    )
    assert "".join(pieces) == generation.candidates[0].text
    if not guided:
        assert len([piece for piece in pieces if piece]) > 3


def test_a_reader_who_left_ends_decoding_at_the_next_token_whatever_is_settled(generator, taste):
    calls = []

    def leave(piece):
        calls.append(piece)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        BestOfN().generate(request(seed=8), generator, taste, on_text=leave)
    assert len(calls) == 3


def test_a_shared_beginning_is_streamed_before_the_end(generator, taste):
    pieces = []
    sampling = {"temperature": 0.05, "max_tokens": 16}  # candidates hardly differ
    generation = BestOfN().generate(
        request(seed=1, candidates=2, **sampling), generator, taste, on_text=pieces.append
    )
    assert "".join(pieces) == generation.candidates[0].text
    assert len([piece for piece in pieces if piece]) > 1


@pytest.mark.parametrize("confidence", [0.4, 1.01, float("nan")])
def test_a_confidence_out_of_range_is_refused(confidence):
    with pytest.raises(ConfigError, match="min_confidence"):
        BestOfN(min_confidence=confidence)


def test_no_candidates_are_refused(generator):
    with pytest.raises(InvalidInputError, match="candidates"):
        BestOfN().generate(request(candidates=0), generator, None)


def rank(rewards, spread=0.1, texts=None, min_confidence=0.55):
    features = np.array([[r, 1.0] for r in rewards], np.float32)
    names = texts or [f"text {i}" for i in range(len(rewards))]
    reward = LinearReward([1.0, 0.0], spread)
    return rank_candidates(names, features, reward, min_confidence=min_confidence)


def test_the_best_comes_first_with_its_probability():
    verdict = rank([0.0, 2.0, 1.0], spread=0.0)
    assert verdict.order == (1, 2, 0)
    assert verdict.decided
    assert verdict.confidence == pytest.approx(1 / (1 + np.exp(-1.0)), abs=1e-4)
    assert verdict.rewards == pytest.approx({0: -1.0, 1: 1.0, 2: 0.0})
    assert set(verdict.spreads) == {0, 1, 2}


def test_the_plain_sample_may_be_the_best():
    verdict = rank([2.0, 0.0, 1.0])
    assert verdict.order == (0, 2, 1)
    assert verdict.decided


def test_the_bar_is_against_the_plain_sample_not_the_runner_up():
    verdict = rank([0.0, 2.0, 2.0], spread=0.0)
    assert verdict.order[0] == 1
    assert verdict.decided
    assert verdict.confidence == pytest.approx(0.5)


def test_below_the_bar_the_plain_sample_is_shown_and_the_rest_stay_in_order():
    verdict = rank([0.0, 0.05, 0.1], spread=0.0)
    assert verdict.order == (0, 2, 1)
    assert not verdict.decided
    assert verdict.confidence < 0.5


def test_blank_candidates_come_last_and_are_not_scored():
    verdict = rank([0.0, 5.0, 1.0], texts=["plain", " \n", "other"])
    assert verdict.order == (2, 0, 1)
    assert 1 not in verdict.rewards
    assert sum(verdict.rewards.values()) == pytest.approx(0.0)
    blank_first = rank([0.0, 5.0], texts=["", "other"])
    assert blank_first.order == (1, 0)
    assert blank_first.decided
    assert rank([0.0, 1.0], texts=["", " "]).order == (0, 1)


def test_a_reward_that_is_not_a_number_is_an_error():
    with pytest.raises(PluginError, match="finite"):
        rank([0.0, float("nan")])

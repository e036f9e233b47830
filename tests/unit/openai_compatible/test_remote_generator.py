"""Replies come from a server as decoders want them, whatever the server can."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from persona_best_of_n import BestOfN
from persona_engine.decoding import decode
from persona_engine.errors import GenerationError, InvalidInputError, WeightsError
from persona_engine.interfaces import Branches, DrawsWholeReplies, Generator, TakesAdapters
from persona_engine.types import Budget, DecodingRequest, Prompt, Reading, Sampling, Score

ASK = [{"role": "user", "content": "Hi"}]
SAMPLING = Sampling(temperature=0.7, top_p=0.9, max_tokens=20)


class LikesA:
    """Prefers replies with more of the letter a."""

    def score(self, features):
        return Score(features[:, 0], np.zeros(len(features), np.float32))

    def logit(self, a, b):
        return Score(3 * (a[:, 0] - b[:, 0]), np.zeros(len(a), np.float32))


def grown(branches, sampling=SAMPLING):
    while True:
        result = branches.step(sampling)
        if all(result.finished):
            return result.texts


def test_it_is_a_generator(generator_of):
    generator = generator_of()
    assert isinstance(generator, Generator)
    assert isinstance(generator, TakesAdapters)
    assert isinstance(generator, DrawsWholeReplies)
    assert isinstance(generator.prefill(ASK, branches=1, seed=0), Branches)
    assert generator.count_tokens("Grüße") == 3


def test_replies_to_one_prompt_are_asked_for_together(generator_of, scripted, letters):
    branches = generator_of().prefill(ASK, branches=3, seed=4)
    assert scripted.requests == []
    texts = grown(branches, replace(SAMPLING, stop=("END",)))
    assert texts == (
        "reply 4 a b and more of it.",
        "reply 5 a a b and more of it.",
        "reply 6 b and more of it.",
    )
    (asked,) = scripted.requests
    assert asked == {
        "model": "tiny",
        "messages": ASK,
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 20,
        "seed": 4,
        "stop": ["END"],
        "n": 3,
        "stream": True,
        "logprobs": True,
        "top_logprobs": 1,
    }
    assert branches.token_counts == (7, 7, 6)
    np.testing.assert_allclose(branches.log_probs, [-3.5, -3.5, -3.0])
    assert branches.features()[:, 0].tolist() == [2.0, 3.0, 1.0]  # "and" has one too
    encoded = len(letters.prompts)
    branches.features()
    assert len(letters.prompts) == encoded


@pytest.mark.parametrize("several", ["ignored", "refused"])
@pytest.mark.parametrize("log_probs", ["taken", "ignored", "refused"])
def test_a_server_that_takes_less_is_asked_for_less(several, log_probs, generator_of, scripted):
    scripted.several, scripted.log_probs = several, log_probs
    generator = generator_of()
    expected = tuple(f"reply {i}" for i in (1, 2, 3))
    branches = generator.prefill(ASK, branches=3, seed=1)
    assert tuple(each[:7] for each in grown(branches)) == expected
    assert np.isfinite(branches.log_probs).all() == (log_probs == "taken")
    first = len(scripted.requests)
    grown(generator.prefill(ASK, branches=3, seed=1))
    later = scripted.requests[first:]
    assert len(later) == 3
    assert all("n" not in each for each in later)
    assert any("logprobs" in each for each in later) == (log_probs != "refused")


def test_what_is_refused_for_another_reason_teaches_nothing(generator_of, scripted):
    generator = generator_of()
    with pytest.raises(GenerationError, match=r"answered 400: .*temperature is too high"):
        grown(generator.prefill(ASK, branches=3, seed=1), replace(SAMPLING, temperature=3.0))
    grown(generator.prefill(ASK, branches=3, seed=100))
    (asked,) = [each for each in scripted.requests if each["seed"] >= 100]
    assert (asked["n"], asked["logprobs"]) == (3, True)


def test_one_request_at_a_time_may_be_asked_for(generator_of, scripted):
    generator = generator_of(together=False, log_probs=False, parallel=1)
    texts = grown(generator.prefill(ASK, branches=3, seed=0))
    assert [each[:7] for each in texts] == ["reply 0", "reply 1", "reply 2"]
    assert len(scripted.requests) == 3
    assert all("n" not in each and "logprobs" not in each for each in scripted.requests)


def test_a_stream_is_read_as_it_comes(generator_of, scripted):
    scripted.gate.clear()
    branches = generator_of().prefill(ASK, branches=1, seed=1)
    assert branches.step(SAMPLING).texts == ("reply 1",)
    assert branches.features().tolist() == [[0.0, 0.0]]
    assert branches.step(SAMPLING).texts == ("reply 1 a",)
    scripted.gate.set()
    assert grown(branches) == ("reply 1 a b and more of it.",)


def test_what_is_given_up_is_given_up_on_the_server(generator_of, scripted):
    scripted.gate.clear()
    branches = generator_of(together=False).prefill(ASK, branches=2, seed=1)
    branches.step(SAMPLING)
    branches.drop([0])
    assert branches.size == 1
    scripted.gate.set()
    assert grown(branches) == ("reply 2 a a b and more of it.",)


def test_a_reader_who_leaves_ends_the_request(generator_of, scripted, monkeypatch):
    endless = ["word"] * 200_000
    monkeypatch.setattr(scripted, "words", lambda *_: endless)
    branches = generator_of().prefill(ASK, branches=1, seed=1)
    branches.step(SAMPLING)
    del branches
    assert scripted.left.wait(20)


def test_later_steps_may_end_a_reply_earlier(generator_of):
    branches = generator_of().prefill(ASK, branches=1, seed=0)
    branches.step(SAMPLING)
    result = branches.step(replace(SAMPLING, max_tokens=2))
    assert result.finished == (True,)
    assert result.texts == ("reply 0 b",)
    assert branches.step(SAMPLING).texts == result.texts


def test_texts_that_end_a_reply_are_no_part_of_it(generator_of):
    branches = generator_of().prefill(ASK, branches=1, seed=0)
    assert grown(branches, replace(SAMPLING, stop=(" more", "zzz"))) == ("reply 0 b and",)


def test_best_of_n_chooses_by_our_encoder(generator_of, scripted, letters):
    request = DecodingRequest(ASK, SAMPLING, candidates=3, seed=0)
    found = BestOfN().generate(request, generator_of(), LikesA())
    assert [each.text[:7] for each in found.candidates] == ["reply 2", "reply 1", "reply 0"]
    assert found.candidates[0].log_prob == pytest.approx(-3.5)
    assert found.decided
    alone = BestOfN().generate(request, generator_of(), None)
    assert [each.text[:7] for each in alone.candidates] == ["reply 0"]


def test_styles_are_drawn_under_and_judged_without(generator_of, scripted, letters):
    request = DecodingRequest(ASK, SAMPLING, candidates=4, seed=0, styles=("Be funny.",))
    BestOfN().generate(request, generator_of(), LikesA())
    said = sorted(each["messages"][0]["content"] for each in scripted.requests)
    assert said == ["Hi", "Hi Be funny."]
    assert sorted(each["seed"] for each in scripted.requests) == [0, 2]
    assert {tuple(each) for each in letters.prompts} == {("Hi",)}


def test_without_log_probs_a_candidate_has_none(generator_of, scripted):
    scripted.log_probs = "ignored"
    request = DecodingRequest(ASK, SAMPLING, candidates=2, seed=0)
    found = BestOfN().generate(request, generator_of(), LikesA())
    assert [each.log_prob for each in found.candidates] == [None, None]
    with pytest.raises(InvalidInputError, match="offers no log-probabilities"):
        BestOfN(likelihood=1.0).generate(request, generator_of(), LikesA())


def test_a_budget_ends_it(generator_of, scripted):
    request = DecodingRequest(ASK, SAMPLING, candidates=2, seed=0, budget=Budget(tokens=4))
    found = decode(BestOfN(), request, generator_of(), LikesA())
    assert [each.tokens for each in found.candidates] == [3, 3]
    assert "budget of 4 tokens" in found.search.ended


@pytest.mark.parametrize(
    "use",
    [
        lambda b: b.draw(SAMPLING),
        lambda b: b.next_log_probs(),
        lambda b: b.look_ahead(np.zeros((2, 1), np.int64)),
        lambda b: b.append([1, 1], SAMPLING),
        lambda b: b.save(),
        lambda b: b.restore(None),
        lambda b: b.fork([0, 0]),
    ],
)
def test_what_a_server_does_not_show_is_said_plainly(use, generator_of):
    branches = generator_of().prefill(ASK, branches=2, seed=0)
    with pytest.raises(GenerationError, match="choose the decoder best_of_n"):
        use(branches)
    branches.fork([1])
    assert grown(branches)[0].startswith("reply 1")


def test_likelihoods_and_mixed_readings_are_refused(generator_of):
    generator = generator_of()
    with pytest.raises(GenerationError, match="gives no likelihood"):
        generator.log_likelihood([ASK], ["Hello"])
    for readings in ((Reading(ASK), Reading(ASK)), (Reading(ASK, weight=0.5),)):
        with pytest.raises(GenerationError, match="several readings"):
            generator.prefill_each([Prompt(readings)], seed=0)
    for branches in (0, -1):
        with pytest.raises(InvalidInputError, match="no prompt"):
            generator.prefill(ASK, branches=branches, seed=0)


def test_adapters_go_by_their_version_as_model(generator_of, scripted, tmp_path):
    scripted.models.append("0123456789abcdef")
    generator = generator_of()
    folder = tmp_path / "0123456789abcdef"
    generator.load_adapter("0123456789abcdef@1", folder)
    prompts = [Prompt((Reading(ASK, adapter="0123456789abcdef@1"),)), Prompt((Reading(ASK),))]
    grown(generator.prefill_each(prompts, seed=0))
    models = sorted(each["model"] for each in scripted.requests)
    assert models == ["0123456789abcdef", "tiny"]
    generator.unload_adapter("0123456789abcdef@1")
    with pytest.raises(InvalidInputError, match="is not loaded"):
        generator.prefill_each(prompts, seed=0)
    with pytest.raises(WeightsError, match=r"no adapter 'fedc'.*lora-modules"):
        generator.load_adapter("fedc@1", tmp_path / "fedc")


def test_a_model_may_go_unnamed_where_there_is_one(generator_of, scripted):
    assert not math.isnan(len(grown(generator_of("").prefill(ASK, branches=1, seed=0))))
    assert scripted.requests[0]["model"] == "tiny"
    scripted.models.append("other")
    with pytest.raises(InvalidInputError, match="has 2 models: tiny, other"):
        generator_of("").prefill(ASK, branches=1, seed=0)


def test_further_fields_and_keys_are_sent(generator_of, scripted, monkeypatch):
    monkeypatch.setenv("THE_KEY", "sesame")
    generator = generator_of(extra_body={"top_k": 4}, api_key_env="THE_KEY")
    grown(generator.prefill(ASK, branches=1, seed=0))
    assert scripted.requests[0]["top_k"] == 4
    grown(generator_of().prefill(ASK, branches=1, seed=0))
    with_key, without = ({k.lower(): v for k, v in each.items()} for each in scripted.headers)
    assert with_key["authorization"] == "Bearer sesame"
    assert "authorization" not in without

"""Logit arithmetic on the real default weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from persona_engine.config import EngineConfig
from persona_engine.engine import PersonaEngine
from persona_engine.generation import persona_generators
from persona_engine.types import DecodingRequest, Sampling, Score
from persona_logit_arithmetic import LogitArithmetic

pytestmark = pytest.mark.model

BARE = ({"role": "user", "content": "How do I make a good cup of coffee?"},)
TOLD = ({"role": "user", "content": "How do I make a good cup of coffee?\n\nAnswer in French."},)
GREEDY = Sampling(temperature=0.0, max_tokens=12)
REQUEST = DecodingRequest(TOLD, GREEDY, 1, 0, bare=BARE)


@pytest.fixture(scope="module")
def exact(smollm2):
    return persona_generators()["local"](weights=smollm2, dtype="float32")


class Unsure:
    """Knows nothing of any reply."""

    def score(self, features):
        return Score(np.zeros(len(features), np.float32), np.full(len(features), 9e3, np.float32))

    def logit(self, a, b):
        return self.score(a)


def grow(branches, sampling):
    result = branches.step(sampling)
    while not all(result.finished):
        result = branches.step(sampling)
    return result.texts


def test_context_steering_is_the_difference_of_two_prompts(exact):
    told, bare = (exact.prefill(each, branches=1, seed=0) for each in (TOLD, BARE))
    finished = False
    while not finished:
        one, other = (np.maximum(each.next_log_probs()[0], -700.0) for each in (told, bare))
        sums = np.where(one >= one.max() + np.log(0.1), 2.0 * one - other, -np.inf)
        token = int(sums.argmax())
        result = told.append([token], GREEDY)
        bare.append([token], GREEDY)
        finished = result.finished[0]
    found = LogitArithmetic().generate(REQUEST, exact, None).candidates[0]
    plain = grow(exact.prefill(TOLD, branches=1, seed=0), GREEDY)[0]
    assert found.text == result.texts[0] != plain
    assert found.log_prob == pytest.approx(float(told.log_probs[0]), abs=0.05)


def test_at_strength_0_it_is_the_plain_reply(exact):
    sampling = Sampling(max_tokens=12)
    found = LogitArithmetic(strengths=(0.0,)).generate(
        replace(REQUEST, sampling=sampling), exact, None
    )
    plain = grow(exact.prefill(TOLD, branches=1, seed=0), sampling)
    assert found.candidates[0].text == plain[0]


def test_an_expert_that_is_its_own_reference_changes_nothing(exact, smollm2):
    request = replace(REQUEST, candidates=2, bare=None)
    opened = LogitArithmetic(expert=str(smollm2), reference=smollm2, strengths=(3.0,))
    plain, steered = opened.generate(request, exact, Unsure()).candidates
    assert plain.text == steered.text == grow(exact.prefill(TOLD, branches=1, seed=0), GREEDY)[0]


def test_an_expert_that_was_told_more_is_followed(exact):
    request = replace(REQUEST, candidates=2, bare=None, conversation=BARE)
    steered = LogitArithmetic(expert=Told(exact), strengths=(1.0,), plausible=0.0)
    found = steered.generate(request, exact, Unsure()).candidates
    assert found[1].text == grow(exact.prefill(TOLD, branches=1, seed=0), GREEDY)[0]


class Told:
    """The model as it would be, had it been taught what `TOLD` adds to `BARE`."""

    def __init__(self, model):
        self.model = model

    def prefill(self, conversation, *, branches, seed):
        return self.model.prefill(TOLD, branches=branches, seed=seed)


def test_the_engine_steers_by_what_was_said_and_by_nothing_else(tmp_path, smollm2, minilm):
    config = EngineConfig(
        database=f"sqlite:///{tmp_path}/persona.db",
        generator=str(smollm2),
        sentence_encoder=str(minilm),
        data_folder=tmp_path / "index",
        decoder="logit_arithmetic",
    )
    ask = [{"role": "user", "content": "How do I make a good cup of coffee?"}]
    with PersonaEngine(config=config) as engine:
        user = engine.user("ann")
        base = user.chat(ask, seed=1, max_tokens=6, candidates=1)
        assert base.trace.search.blocks == ()
        user.instruct("Answer in French.")
        steered = user.chat(ask, seed=1, max_tokens=6, candidates=1)
        assert [each.text for each in steered.trace.search.blocks[0].candidates] == ["λ = 1"]
        assert "steered by what is said in words" in steered.trace.reason
        again = user.chat(ask, seed=1, max_tokens=6, candidates=1, personal=False)
        assert again.text == base.text != steered.text

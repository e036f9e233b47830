"""A belief hands the model what it reads, and nothing else."""

import numpy as np
import pytest

from persona_engine.belief import TextBelief, bind
from persona_engine.interfaces import RewardModel
from persona_engine.ranking import rank_candidates
from persona_engine.types import Context, Evidence, Population, Posterior, Score

FEATURES = np.zeros((3, 2), np.float32)


class Recording(RewardModel):
    """Rewards a text by its length, a prompt by its first feature; remembers what it was told."""

    name = "recording"

    def __init__(self, *reads):
        self.reads = frozenset(reads)
        self.told = []

    def fit(self, data, *, rng, progress=None):
        raise AssertionError("not asked for")

    def infer(self, population, evidence: Evidence):
        return Posterior("recording", "1", "x", np.zeros(0, "f4"), np.zeros((0, 0), "f4"), 0)

    def update(self, population, posterior, evidence):
        return posterior

    def score(self, population, posteriors, responses, *, context=None):
        self.told.append(context)
        mean = np.zeros(len(responses), np.float32)
        if context is not None and context.texts is not None:
            mean += [len(each.chosen) for each in context.texts]
        if context is not None and context.prompt is not None:
            mean += context.prompt[0]
        return Score(mean[None], np.full((1, len(mean)), 0.5, np.float32))

    def logit(self, population, posterior, a, b, *, context=None):
        self.told.append(context)
        return Score(np.zeros(len(a), np.float32), np.ones(len(a), np.float32))

    def embed(self, population, posterior):
        return np.ones(1, np.float32)


def belief_of(model, prompt):
    population = Population("recording", "x", {})
    return bind(
        model,
        population,
        model.infer(population, Evidence.empty(2)),
        prompt=prompt,
        encode=lambda words: np.full(4, len(words), np.float32),
        context=Context(log_likelihood=lambda prompts, texts: np.zeros(len(texts), np.float32)),
    )


CHAT = [
    {"role": "user", "content": "Why?"},
    {"role": "assistant", "content": "Because."},
    {"role": "user", "content": "And how?"},
]


@pytest.mark.parametrize("prompt", [None, "Why?", CHAT])
def test_a_model_of_features_never_meets_a_context(prompt) -> None:
    model = Recording()
    belief_of(model, prompt).score(FEATURES)
    belief_of(model, prompt).logit(FEATURES, FEATURES)
    assert model.told == [None, None]


@pytest.mark.parametrize(("prompt", "length"), [("Why?", 4), (CHAT, 8)])
def test_a_model_of_prompts_gets_the_last_request(prompt, length) -> None:
    model = Recording("prompt")
    assert belief_of(model, prompt).score(FEATURES).mean.tolist() == [length] * 3
    assert model.told[0].texts is None


@pytest.mark.parametrize("prompt", ["", "  ", [{"role": "assistant", "content": "Hello"}]])
def test_an_empty_request_has_no_features(prompt) -> None:
    model = Recording("prompt")
    belief_of(model, prompt).score(FEATURES)
    assert model.told[0].prompt is None


def test_a_model_of_texts_orders_by_the_words_it_read() -> None:
    model = Recording("texts")
    belief = belief_of(model, CHAT)
    assert isinstance(belief, TextBelief)
    verdict = rank_candidates(["bb", "", "cccc"], FEATURES, belief, min_confidence=0.6)
    assert verdict.order == (2, 0, 1)
    assert verdict.rewards == {0: -1.0, 2: 1.0}
    pairs = model.told[0].texts
    assert [each.chosen for each in pairs] == ["bb", "", "cccc"]
    assert {each.prompt for each in pairs} == {"And how?"}
    assert model.told[0].log_likelihood is not None


def test_spreads_of_candidates_add_and_a_candidate_ties_with_itself() -> None:
    features, reward = belief_of(Recording("texts"), "Why?").of_texts(["a", "bb", "ccc"], FEATURES)
    pair = reward.logit(features[[2, 1]], features[[0, 1]])
    np.testing.assert_allclose(pair.mean, [2.0, 0.0])
    np.testing.assert_allclose(pair.std, [np.sqrt(0.5), 0.0], rtol=1e-6)

"""Few-shot preferences on the real SmolLM2-135M: likelihoods in the prompt, end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from persona_engine.generation import local_generator
from persona_engine.types import Context, Evidence, PairText
from persona_fspo import FewShotPreference
from persona_fspo.gains import Gains
from persona_fspo.prompt import PromptBudget

pytestmark = pytest.mark.model

LIKES_EMOJI = (
    PairText("What should I eat?", "Try a pizza 🍕🎉", "Try a pizza."),
    PairText("Where should I go?", "Go to Rome 🎉☀️", "Go to Rome."),
    PairText("What can I read?", "Read a novel 📚🎉", "Read a novel."),
)
ASKED = (PairText("What can I watch?", "Watch a film 🎬🎉", "Watch a film."),)
WIDTH = 2


@pytest.fixture(scope="module")
def generator(smollm2: Path):
    return local_generator(weights=smollm2)


def test_choices_make_what_is_like_them_more_probable(generator) -> None:
    gains = Gains(PromptBudget(8, 6_000, 600), "without")
    asked = [("What can I watch?", "Watch a film 🎬🎉"), ("What can I watch?", "Watch a film.")]
    like, unlike = gains.of(LIKES_EMOJI, asked, generator.log_likelihood)
    assert like > unlike + 5.0


def test_a_persons_choices_decide_between_replies(generator) -> None:
    model = FewShotPreference(strength=0.05)
    rng = np.random.default_rng(0)
    population = model.fit(_population(rng), rng=rng)
    features = np.zeros((3, WIDTH), np.float32)
    fan = model.infer(population, Evidence(features, features, texts=LIKES_EMOJI))
    stranger = model.infer(population, Evidence.empty(WIDTH))
    same = np.zeros((1, WIDTH), np.float32)
    context = Context(texts=ASKED, log_likelihood=generator.log_likelihood)
    assert model.logit(population, fan, same, same, context=context).mean[0] > 0.25
    assert model.logit(population, stranger, same, same, context=context).mean[0] == 0.0


def _population(rng: np.random.Generator):
    from persona_engine.types import PreferenceData

    a, b = rng.normal(size=(2, 32, WIDTH)).astype(np.float32)
    return PreferenceData(a, b, np.arange(32) % 8, "test")

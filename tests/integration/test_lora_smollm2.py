"""A few steps on the real model: what is trained is served by the generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from persona_engine.generation import local_generator
from persona_engine.onboarding import question_bank, replies
from persona_engine.types import TrainingPair, TrainingTask
from persona_lora import Dpo

pytestmark = pytest.mark.model


@pytest.mark.slow
def test_a_few_steps_move_the_model_towards_what_was_preferred(
    smollm2: Path, tmp_path: Path
) -> None:
    questions = [each for each in question_bank() if each.style == "emoji"][:4]
    pairs = []
    for question in questions:
        without, with_emoji = replies(question)
        prompt = ({"role": "user", "content": question.prompt},)
        pairs.append(TrainingPair(prompt, with_emoji, without, "u"))
    method = Dpo(steps=3, batch=2, learning_rate=2e-3, max_length=112, save_every=1)
    trained = method.train(TrainingTask(smollm2, tmp_path / "work", tuple(pairs)))

    generator = local_generator(weights=smollm2, device="cpu")
    generator.load_adapter("emoji", trained.folder)
    prompts = [each.prompt for each in pairs]
    gained = [
        generator.log_likelihood(prompts, texts, adapter="emoji")
        - generator.log_likelihood(prompts, texts)
        for texts in ([each.chosen for each in pairs], [each.rejected for each in pairs])
    ]
    generator.unload_adapter("emoji")
    assert float(np.mean(gained[0] - gained[1])) > 0.5
    assert trained.settings["trainer"] == "dpo"
    assert trained.figures["steps"] == 3.0

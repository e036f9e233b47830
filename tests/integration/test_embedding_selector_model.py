"""The embedding selector on the real sentence encoder: its shipped figures hold."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from persona_embedding_selector import EmbeddingSelector
from persona_embedding_selector.calibration import load_calibration
from persona_engine.encoders import sentence_encoder
from persona_engine.testing.language import language_tools
from persona_engine.types import Instruction

SCRIPT = Path(__file__).parents[2] / "tests" / "benchmarks" / "calibrate_embedding_selector.py"
pytestmark = pytest.mark.model


@pytest.mark.slow
def test_shipped_coefficients_and_figures_are_what_the_script_gives(minilm):
    command = [sys.executable, str(SCRIPT), "--weights", str(minilm), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)
    known = load_calibration()
    np.testing.assert_allclose(figures["general"], known.general_weights, atol=0.02)
    np.testing.assert_allclose(figures["topical"], known.topical_weights, atol=0.02)
    assert figures["validation"]["accuracy"] >= 0.88
    assert figures["test"]["accuracy"] >= 0.90
    assert figures["test"]["f1"] >= 0.93


WISHES = (
    "Answer in British English.",
    "No emoji, please.",
    "I am vegan: no meat in recipes.",
    "When I ask for flights, I want a window seat.",
)
REQUESTS = {  # with the wishes about a topic that apply, besides the two general ones
    "Give me an easy vegetable stew recipe.": {2},
    "Find me a flight to Lisbon on Friday.": {3},
    "Explain how a mortgage works.": set(),
    "Why is the sky blue?": set(),
    "Plan my weekend": set(),
    "Write a poem about rain": set(),
    "What is the capital of Peru?": set(),
    "How do I fix a flat tyre?": set(),
    "Help me prepare a job interview": set(),
    "Recommend a good crime novel": set(),
}


def test_no_wish_is_missed_and_few_are_used_in_vain(minilm):
    encoder = sentence_encoder(weights=minilm)
    wishes = [Instruction(text, text, datetime(2026, 1, 1, tzinfo=UTC)) for text in WISHES]
    embeddings = encoder.encode([[]] * len(WISHES), WISHES)
    requests = encoder.encode([[]] * len(REQUESTS), list(REQUESTS))
    selector = EmbeddingSelector(fingerprint=encoder.fingerprint)
    in_vain = 0
    for request, (text, topical) in zip(requests, REQUESTS.items(), strict=True):
        judged = selector.select(
            [], wishes, request=request, embeddings=embeddings, tools=language_tools()
        )
        used = {wishes.index(each.instruction) for each in judged if each.used}
        wanted = {0, 1} | topical
        assert wanted <= used, text
        in_vain += len(used - wanted)
    assert in_vain <= 2  # of 18: nearness of words ("sky", "flights") is not yet aboutness

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
from persona_engine.types import Instruction

SCRIPT = Path(__file__).parents[2] / "scripts" / "calibrate_embedding_selector.py"
pytestmark = pytest.mark.model


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


def test_a_person_with_several_wishes(minilm):
    encoder = sentence_encoder(weights=minilm)
    wishes = [
        Instruction(text, text, datetime(2026, 1, 1, tzinfo=UTC))
        for text in (
            "Answer in British English.",
            "No emoji, please.",
            "I am vegan: no meat in recipes.",
            "When I ask for flights, I want a window seat.",
        )
    ]
    embeddings = encoder.encode([[]] * 4, [each.text for each in wishes])
    selector = EmbeddingSelector(fingerprint=encoder.fingerprint)

    def used_for(text):
        request = encoder.encode([[]], [text])[0]
        judged = selector.select([], wishes, request=request, embeddings=embeddings)
        return [wishes.index(each.instruction) for each in judged if each.used]

    assert sorted(used_for("Give me an easy vegetable stew recipe.")) == [0, 1, 2]
    assert sorted(used_for("Explain how a mortgage works.")) == [0, 1]
    assert sorted(used_for("Find me a flight to Lisbon on Friday.")) == [0, 1, 3]

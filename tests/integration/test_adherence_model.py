"""The learned verifier on the real sentence encoder: plain cases that it must get right."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from persona_adherence import AdherenceVerifier
from persona_engine.encoders import sentence_encoder
from persona_engine.testing.language import language_tools
from persona_engine.types import Instruction

pytestmark = pytest.mark.model

CASES = (  # instruction, request, kept by, broken by
    ("I never eat seafood.", "What should I order?", "Mushroom risotto.", "Grilled salmon."),
    ("I'm allergic to nuts.", "A snack?", "A nut-free oat bar.", "Roasted almonds and cashews."),
    ("I hate noisy places.", "A bar?", "A hushed tea room.", "A packed pub with a loud band."),
    ("I prefer trains over planes.", "How do I get to Rome?", "Take the night train.", "Fly."),
    ("Nothing over 30 euros.", "A present?", "A scarf for 25 euros.", "A watch for 240 euros."),
    ("I don't drink alcohol.", "What goes with the meal?", "Iced tea.", "A bottle of red wine."),
    ("I dislike horror films.", "What shall I watch?", "A gentle comedy.", "The Exorcist."),
    ("I avoid plastic.", "Which bottle should I buy?", "A glass one.", "A cheap PVC bottle."),
)


@pytest.fixture(scope="module")
def probability(minilm):
    verifier, tools = AdherenceVerifier(), language_tools(sentence_encoder(weights=minilm))

    def of(instruction: str, request: str, *replies: str) -> list[float]:
        wish = Instruction("wish", instruction, datetime(2026, 1, 1, tzinfo=UTC))
        turn = [{"role": "user", "content": request}]
        return verifier.verify(turn, [wish], replies, tools=tools).probability[0].tolist()

    return of


@pytest.mark.parametrize(("instruction", "request_", "kept", "broken"), CASES)
def test_the_reply_that_keeps_the_wish_is_more_probable(
    probability, instruction, request_, kept, broken
):
    better, worse = probability(instruction, request_, kept, broken)
    assert better > worse


def test_an_unrelated_reply_is_not_blamed(probability):
    (related,) = probability("I never eat seafood.", "What should I order?", "Grilled salmon.")
    (other,) = probability("I never eat seafood.", "How do I change a tyre?", "Loosen the nuts.")
    assert related < 0.3
    assert other > 0.6

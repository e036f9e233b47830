"""The default selector on the real sentence encoder: wishes, conditions, overrides, chains."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from persona_applicability import ApplicabilitySelector
from persona_engine.encoders import sentence_encoder
from persona_engine.interfaces import LanguageTools
from persona_engine.testing.language import language_tools
from persona_engine.types import Instruction

pytestmark = pytest.mark.model
SAID = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def tools(minilm) -> LanguageTools:
    plain = language_tools(sentence_encoder(weights=minilm))
    known: dict[str, np.ndarray] = {}

    def embed(texts: Sequence[str]) -> np.ndarray:
        new = [each for each in dict.fromkeys(texts) if each not in known]
        if new:
            known.update(zip(new, plain.embed(new), strict=True))
        return np.stack([known[each] for each in texts])

    return LanguageTools(embed, plain.fingerprint)


@pytest.fixture(scope="module")
def selector() -> ApplicabilitySelector:
    return ApplicabilitySelector()


def judged(selector, tools, said: str | list[str], texts: Sequence[str]):
    turns = [said] if isinstance(said, str) else said
    conversation = []
    for turn in turns:
        conversation += [{"role": "user", "content": turn}, {"role": "assistant", "content": "Ok?"}]
    return selector.select(
        conversation[:-1],
        [Instruction(text, text, SAID) for text in texts],
        request=tools.embed([turns[-1]])[0],
        embeddings=tools.embed(texts),
        tools=tools,
    )


def used(selector, tools, said, texts) -> set[str]:
    return {each.instruction.text for each in judged(selector, tools, said, texts) if each.used}


GENERAL = ("Answer in at most 40 words.", "Answer in British English.", "No emoji, please.")
TOPICAL = ("I am vegan: no meat in recipes.", "When I ask for flights, I want a window seat.")


@pytest.mark.parametrize(
    ("request_", "topical"),
    [
        ("Give me an easy stew recipe.", {TOPICAL[0]}),
        ("Find me a flight to Lisbon on Friday.", {TOPICAL[1]}),
        ("Explain how a mortgage works.", set()),
        ("Write a poem about rain", set()),
        ("What is the capital of Peru?", set()),
    ],
)
def test_general_wishes_always_apply_and_topical_ones_where_they_matter(
    selector, tools, request_, topical
) -> None:
    assert used(selector, tools, request_, [*GENERAL, *TOPICAL]) == {*GENERAL, *topical}


SALONS = (
    "If I ask for a hairdresser, my preferred city is Maidstone",
    "If I ask for a hairdresser, I want it to be unisex",
    "If I ask for hotels, my preferred city is Ghent",
)


def test_what_the_request_names_overrides_its_slot_only(selector, tools) -> None:
    said = "Find me a hairdresser in Canterbury."
    found = judged(selector, tools, said, SALONS)
    assert {each.instruction.text for each in found if each.used} == {SALONS[1]}
    why = {each.instruction.text: each.reason for each in found}
    assert why[SALONS[0]].startswith("this request names its own place")
    assert why[SALONS[1]].startswith("applies when you ask for a hairdresser, as now")
    assert used(selector, tools, "Find me a hairdresser.", SALONS) == set(SALONS[:2])


DINNER = (
    "My preferred cuisine for restaurants is lobster",
    "If the cuisine is lobster then look for a moderate price range",
    "If the cuisine is tapas then look for a cheap price range",
)


def test_a_chain_follows_what_applies(selector, tools) -> None:
    found = judged(selector, tools, "Find me a restaurant for tonight.", DINNER)
    assert {each.instruction.text for each in found[:2]} == set(DINNER[:2])
    assert all(each.used for each in found[:2])
    assert found[2].probability < found[1].probability - 0.2


TRAVEL = (
    "If I ask for flights, also look at buses",
    "If I ask for buses, my preferred company is Greyline",
    "If I ask for hotels, breakfast must be included",
)


def test_also_leads_to_the_wishes_about_the_other(selector, tools) -> None:
    assert used(selector, tools, "I need a flight on Monday.", TRAVEL) == set(TRAVEL[:2])


def test_earlier_turns_say_what_a_short_answer_is_about(selector, tools) -> None:
    said = ["I need a rental car.", "From the 3rd to the 5th, please."]
    texts = ["If I ask for a rental car, I want an estate", "If I ask for a doctor, Dr. Abe"]
    assert used(selector, tools, said, texts) == {texts[0]}


def test_two_hundred_instructions_cost_less_than_an_encoding(selector, tools, minilm) -> None:
    """What select does itself once every span is known."""
    kinds = ("hotels", "flights", "trains", "dentists", "restaurants")
    texts = [
        f"If I ask for {kind}, my preferred city is Town{n}" for n in range(40) for kind in kinds
    ]
    encoder = sentence_encoder(weights=minilm)
    encode, select = [], []
    judged(selector, tools, "Find me a hotel.", texts)
    for _ in range(15):
        start = time.process_time()
        encoder.encode([()], ["Find me a hotel in the old town for two nights."])
        encode.append(time.process_time() - start)
        start = time.process_time()
        judged(selector, tools, "Find me a hotel.", texts)
        select.append(time.process_time() - start)
    assert min(select) < min(encode)  # 0.4 of it; bench_overhead.py says what it costs in all

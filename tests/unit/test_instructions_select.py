"""From a selector's judgement to what is placed, with a reason for every instruction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from persona_engine.errors import InvalidInputError, PluginError
from persona_engine.instructions import apply_instructions, in_force
from persona_engine.testing.language import language_tools
from persona_engine.types import Instruction, SelectedInstruction

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TALK = ({"role": "user", "content": "Plan my weekend"},)


class CosineSelector:
    """Takes the cosine itself as the probability."""

    name = "cosine"

    def select(self, conversation, instructions, *, request, embeddings, tools):
        probabilities = np.clip(embeddings @ request, 0, 1)
        judged = [
            SelectedInstruction(each, float(p), bool(p >= 0.5), f"cosine {p:.2f}")
            for each, p in zip(instructions, probabilities, strict=True)
        ]
        return tuple(sorted(judged, key=lambda each: -each.probability))


class BrokenSelector(CosineSelector):
    def __init__(self, answer):
        self.answer = answer

    def select(self, conversation, instructions, *, request, embeddings, tools):
        return self.answer(instructions)


def wish(name, **fields):
    return Instruction(name, f"wish {name}", NOW - DAY, **fields)


def apply(instructions, cosines=None, conversation=TALK, selector=None, budget=10_000):
    cosines = np.ones(len(instructions)) if cosines is None else np.asarray(cosines)
    embeddings = np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1)
    return apply_instructions(
        conversation,
        instructions,
        selector=selector or CosineSelector(),
        request=np.array([1.0, 0.0]),
        embeddings=embeddings,
        tools=language_tools(),
        now=NOW,
        budget=budget,
        count_tokens=len,
    )


def test_used_and_left_out_with_reasons():
    done = apply([wish("low"), wish("high"), wish("mid")], [0.1, 0.9, 0.6])
    decided = [(each.instruction.id, each.used, each.reason) for each in done.decisions]
    assert decided == [
        ("high", True, "cosine 0.90"),
        ("mid", True, "cosine 0.60"),
        ("low", False, "cosine 0.10"),
    ]
    assert "wish high" in done.messages[-1]["content"]
    assert "wish low" not in done.messages[-1]["content"]
    assert done.tokens == len(done.messages[-1]["content"]) - len("Plan my weekend\n\n")


def test_only_what_is_active_and_valid_now_is_judged_with_its_own_embedding():
    instructions = [
        wish("expired", valid_until=NOW),
        wish("later", valid_from=NOW + DAY),
        wish("gone", status="retracted"),
        wish("now", valid_from=NOW, valid_until=NOW + DAY),
    ]
    done = apply(instructions, [0.9, 0.9, 0.9, 0.7])
    reasons = {each.instruction.id: (each.used, each.reason) for each in done.decisions}
    assert reasons == {
        "expired": (False, f"expired at {NOW.isoformat()}"),
        "later": (False, f"not valid before {(NOW + DAY).isoformat()}"),
        "gone": (False, "its status is retracted"),
        "now": (True, "cosine 0.70"),
    }
    assert [each.id for each in in_force(instructions, now=NOW)] == ["now"]


def test_budget_leaves_out_and_says_so():
    instructions = [wish("a"), wish("b")]
    whole = apply(instructions, [0.9, 0.8])
    done = apply(instructions, [0.9, 0.8], budget=whole.tokens - 1)
    assert [each.used for each in done.decisions] == [True, False]
    assert done.decisions[1].reason == f"cosine 0.80; no room in {whole.tokens - 1} tokens"


def test_nothing_applies_means_the_very_same_messages():
    for done in (apply([]), apply([wish("a")], [0.2]), apply([wish("a", status="superseded")])):
        assert done.messages is TALK
        assert done.tokens == 0


def test_without_a_user_turn_nothing_is_placed_and_nothing_judged():
    system = ({"role": "system", "content": "You are kind"},)
    done = apply([wish("a")], conversation=system, selector=BrokenSelector(None))
    assert done.messages is system
    assert "no user turn" in done.decisions[0].reason


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda given: (), "judged 0 instructions, expected each of the 1"),
        (lambda given: 2 * (SelectedInstruction(given[0], 0.5, True, ""),), "judged 2"),
        (lambda given: (SelectedInstruction(wish("x"), 0.5, True, ""),), "expected each"),
        (lambda given: (SelectedInstruction(given[0], 1.5, True, ""),), "1.5, expected 0 to 1"),
        (
            lambda given: (SelectedInstruction(given[0], float("nan"), True, ""),),
            "nan, expected 0 to 1",
        ),
    ],
)
def test_a_selector_that_breaks_its_contract_is_named(answer, message):
    with pytest.raises(PluginError, match=message):
        apply([wish("a")], selector=BrokenSelector(answer))


def test_one_embedding_for_each_instruction():
    with pytest.raises(InvalidInputError, match="1 embeddings for 2 instructions"):
        apply([wish("a"), wish("b")], [0.5])

"""The suite of instruction verifiers passes a right one and catches wrong ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from persona_engine.errors import ConformanceError
from persona_engine.testing import (
    CHECKS,
    check_instruction_verifier,
    instruction_verifier_checks,
)
from persona_engine.types import Verification


class EmojiVerifier:
    """Judges instructions about emoji, and only these."""

    name = "emoji"

    def judges(self, instruction):
        return "emoji" in instruction.text

    def verify(self, conversation, instructions, responses, *, tools):
        judged = [self.judges(each) for each in instructions]
        kept = [float(max(map(ord, reply), default=0) < 0x1F300) for reply in responses]
        rows = [kept if mine else [np.nan] * len(kept) for mine in judged]
        reasons = tuple(tuple("highest sign seen" for _ in kept) for _ in judged)
        probability = np.array(rows, np.float32).reshape(len(instructions), len(responses))
        return Verification(probability, reasons)


@pytest.mark.parametrize("check", instruction_verifier_checks(EmojiVerifier))
def test_the_right_verifier_passes(check: Callable[[], None]) -> None:
    check()


def changed(right: Verification, **values: object) -> Verification:
    return replace(right, **values)


class JudgesNothing(EmojiVerifier):
    def judges(self, instruction):
        return False


class SaysItJudgesAll:
    name = "emoji"
    verify = EmojiVerifier().verify

    def judges(self, instruction):
        return True


class InPercent(EmojiVerifier):
    def verify(self, conversation, instructions, responses, *, tools):
        right = super().verify(conversation, instructions, responses, tools=tools)
        return changed(right, probability=right.probability * 100)


class Silent(EmojiVerifier):
    def verify(self, conversation, instructions, responses, *, tools):
        right = super().verify(conversation, instructions, responses, tools=tools)
        return changed(right, reasons=tuple(tuple("" for _ in row) for row in right.reasons))


class NeedsReplies(EmojiVerifier):
    def verify(self, conversation, instructions, responses, *, tools):
        right = super().verify(conversation, instructions, responses, tools=tools)
        return right if responses else changed(right, probability=np.zeros((0, 0), np.float32))


class FirstIsBest(EmojiVerifier):
    def verify(self, conversation, instructions, responses, *, tools):
        right = super().verify(conversation, instructions, responses, tools=tools)
        ranks = np.linspace(1.0, 0.5, len(responses))
        return changed(right, probability=right.probability * ranks)


class RelativeToTheRest(EmojiVerifier):
    def verify(self, conversation, instructions, responses, *, tools):
        right = super().verify(conversation, instructions, responses, tools=tools)
        lengths = np.array([len(reply) for reply in responses], float)
        shares = lengths / max(lengths.sum(), 1.0)
        return changed(right, probability=right.probability * shares)


class Wavers(EmojiVerifier):
    calls = itertools.count()

    def verify(self, conversation, instructions, responses, *, tools):
        right = super().verify(conversation, instructions, responses, tools=tools)
        return changed(right, probability=right.probability / (1 + next(self.calls) % 7))


class EatsReplies(EmojiVerifier):
    def verify(self, conversation, instructions, responses, *, tools):
        right = super().verify(conversation, instructions, responses, tools=tools)
        if isinstance(responses, list):
            responses.clear()
        return right


WRONG = {
    JudgesNothing: "something_is_judged",
    SaysItJudgesAll: "judges_tells_beforehand",
    InPercent: "probabilities_are_probabilities",
    Silent: "judgements_have_reasons",
    NeedsReplies: "nothing_is_judged_of_nothing",
    FirstIsBest: "order_is_irrelevant",
    RelativeToTheRest: "replies_are_judged_apart",
    Wavers: "verifying_is_deterministic",
    EatsReplies: "arguments_stay_unchanged",
}


@pytest.mark.parametrize(("plugin", "check"), WRONG.items())
def test_the_wrong_verifier_is_caught(plugin: type, check: str) -> None:
    with pytest.raises(ConformanceError, match=f"does not pass '{check}'"):
        check_instruction_verifier(plugin, checks=[check])


def test_every_check_catches_something() -> None:
    assert set(WRONG.values()) == set(CHECKS["instruction_verifier"])


def test_more_instructions_can_be_given() -> None:
    class Hashtags(EmojiVerifier):
        def judges(self, instruction):
            return "hashtag" in instruction.text

    with pytest.raises(ConformanceError, match="something_is_judged"):
        check_instruction_verifier(Hashtags)
    check_instruction_verifier(Hashtags, instructions=["Add a hashtag."])

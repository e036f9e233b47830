"""Verifiers as checks, and as part of a reward."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from persona_engine.errors import PluginError
from persona_engine.obedience import Obedience
from persona_engine.ranking import rank_candidates
from persona_engine.testing.language import language_tools
from persona_engine.types import Instruction, Mending, Score, SelectedInstruction, Verification

SAID = datetime(2026, 1, 1, tzinfo=UTC)
QUESTION = [{"role": "user", "content": "What now?"}]


class MustMention:
    """Judges instructions of the form "mention <word>"."""

    name = "must_mention"

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def judges(self, instruction):
        return instruction.text.startswith("mention ")

    def verify(self, conversation, instructions, responses, *, tools):
        self.asked.append(tuple(responses))
        words = [each.text.removeprefix("mention ") for each in instructions]
        kept = np.array([[word in text for text in responses] for word in words], np.float32)
        return Verification(kept, tuple(tuple("looked" for _ in responses) for _ in words))


class SaysHalf(MustMention):
    """Judges everything, and knows nothing."""

    name = "says_half"

    def judges(self, instruction):
        return True

    def verify(self, conversation, instructions, responses, *, tools):
        shape = (len(instructions), len(responses))
        return Verification(
            np.full(shape, 0.5, np.float32), (("who knows",) * shape[1],) * shape[0]
        )


class Taste:
    """Prefers what has more of the first feature."""

    def score(self, features):
        return Score(features[:, 0], np.full(len(features), 0.1, np.float32))

    def logit(self, a, b):
        return Score(a[:, 0] - b[:, 0], np.full(len(a), 0.1, np.float32))


def wish(text, *, probability=1.0, strength="prefer"):
    instruction = Instruction(text, text, SAID, strength=strength)
    return SelectedInstruction(instruction, probability, used=True, reason="said so")


def obedience(*wishes, verifiers=None):
    verifiers = [MustMention()] if verifiers is None else verifiers
    return Obedience(QUESTION, wishes, verifiers, tools=language_tools)


def test_the_first_verifier_that_can_judges():
    found = obedience(wish("mention tea"), wish("be kind"), verifiers=[MustMention(), SaysHalf()])
    assert len(found) == 2
    (checks,) = found.checks(["tea"])
    assert {(each.verifier, each.text, each.probability) for each in checks} == {
        ("must_mention", "mention tea", 1.0),
        ("says_half", "be kind", 0.5),
    }


def test_nothing_to_judge_is_false():
    assert not obedience(wish("be kind"))
    assert not obedience()
    assert obedience(wish("be kind")).checks(["tea"]) == ((),)


def test_a_text_is_judged_once():
    verifier = MustMention()
    found = obedience(wish("mention tea"), verifiers=[verifier])
    found.penalties(["tea", "milk", "tea", " "])
    found.checks(["milk", "tea"])
    assert verifier.asked == [("tea", "milk")]


def test_what_must_hold_costs_more_and_an_unsure_selection_less():
    cost = {
        (strength, probability): float(
            obedience(wish("mention tea", strength=strength, probability=probability)).penalties(
                ["milk"]
            )[0]
        )
        for strength in ("must", "prefer")
        for probability in (1.0, 0.5)
    }
    assert cost["must", 1.0] == pytest.approx(3 * cost["prefer", 1.0])
    assert cost["prefer", 0.5] == pytest.approx(cost["prefer", 1.0] / 2)
    assert obedience(wish("mention tea")).penalties(["tea"])[0] == 0.0


@pytest.mark.parametrize("taste", [None, Taste()])
def test_what_keeps_the_instruction_comes_first(taste):
    texts = ["milk", "tea", "more milk"]
    features = np.float32([[0.5], [0.0], [1.0]])
    reward = obedience(wish("mention tea")).guide(taste)
    verdict = rank_candidates(texts, features, reward, min_confidence=0.6)
    assert verdict.order[0] == 1
    assert verdict.decided
    assert verdict.confidence > 0.95


def test_among_those_that_keep_it_taste_decides():
    texts = ["tea", "sweet tea", "milk"]
    features = np.float32([[0.0], [1.0], [2.0]])
    reward = obedience(wish("mention tea")).guide(Taste())
    verdict = rank_candidates(texts, features, reward, min_confidence=0.6)
    assert verdict.order == (1, 0, 2)


def test_candidates_that_keep_all_alike_leave_the_plain_sample():
    reward = obedience(wish("mention tea")).guide(None)
    features = np.zeros((2, 3), np.float32)
    verdict = rank_candidates(["tea", "tea!"], features, reward, min_confidence=0.55)
    assert verdict.order[0] == 0
    assert not verdict.decided


class Appends(MustMention):
    """Puts what is not mentioned at the end."""

    def mend(self, conversation, instructions, responses):
        words = [each.text.removeprefix("mention ") for each in instructions]
        lacking = [[word for word in words if word not in text] for text in responses]
        return tuple(
            Mending(" ".join([text, *more]), tuple(f"added {word}" for word in more))
            if more
            else None
            for text, more in zip(responses, lacking, strict=True)
        )


class AppendsAfter(Appends):
    """Judges instructions of the form "then <word>"."""

    def judges(self, instruction):
        return instruction.text.startswith("then ")

    def mend(self, conversation, instructions, responses):
        words = [each.text.removeprefix("then ") for each in instructions]
        return tuple(Mending(" ".join([text, *words]), ("added more",)) for text in responses)


def test_what_can_be_mended_is_by_each_verifier_in_turn():
    rules = [wish("mention tea"), wish("then milk"), wish("be kind")]
    mender = obedience(*rules, verifiers=[Appends(), AppendsAfter(), SaysHalf()]).mender
    assert mender(["water", "tea"]) == (
        Mending("water tea milk", ("added tea", "added more")),
        Mending("tea milk", ("added more",)),
    )


def test_without_a_verifier_that_mends_nothing_does():
    assert obedience(wish("mention tea")).mender is None
    assert obedience(wish("be kind"), verifiers=[Appends()]).mender is None
    assert obedience(wish("mention tea"), verifiers=[Appends()]).mender(["tea"]) == (None,)


def test_a_mender_that_loses_replies_is_named():
    class Loses(Appends):
        def mend(self, conversation, instructions, responses):
            return ()

    with pytest.raises(PluginError, match=r"must_mention.* mended 0 replies"):
        obedience(wish("mention tea"), verifiers=[Loses()]).mender(["tea"])


def test_a_verifier_that_breaks_its_contract_is_named():
    class Wrong(MustMention):
        def verify(self, conversation, instructions, responses, *, tools):
            return Verification(np.full((1, 1), np.nan, np.float32), (("?",),))

    with pytest.raises(PluginError, match=r"must_mention.*expected"):
        obedience(wish("mention tea"), verifiers=[Wrong()]).checks(["tea"])

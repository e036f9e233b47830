"""The suite of instruction miners passes a right one and catches wrong ones."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from persona_engine.errors import ConformanceError
from persona_engine.testing import CHECKS, check_instruction_miner, instruction_miner_checks
from persona_engine.types import FollowUpComparison, Reaction, Signals, Wish

STANDING = re.compile(r"(?:From now on|Never use|I'm vegan)[^.]*\.")
HANDED_OVER = re.compile(r"^>|\"|```|Summarise|Translate")
SIDES = {"That's wrong": False, "Thanks": True}


class ByPhrase:
    """Knows three phrases of wishes and two of reactions."""

    name = "by_phrase"
    roles = ("user",)

    def mine(self, conversation, *, tools):
        turns = [n for n, each in enumerate(conversation) if each["role"] in self.roles]
        wishes = tuple(wish for n in turns for wish in self.wishes(n, conversation[n]["content"]))
        reactions = tuple(r for n in turns for r in self.reactions(n, conversation))
        return Signals(wishes, reactions, self.comparisons(conversation, reactions))

    def wishes(self, turn, content):
        if self.is_handed_over(content):
            return
        for found in STANDING.finditer(content):
            yield Wish(text=found.group(), quote=found.group(), turn=turn, probability=0.9)

    def is_handed_over(self, content):
        return bool(HANDED_OVER.search(content))

    def reactions(self, turn, conversation):
        replied = any(each["role"] == "assistant" for each in conversation[:turn])
        for words, satisfied in SIDES.items():
            if replied and conversation[turn]["content"].startswith(words):
                yield Reaction(turn, satisfied, "praise" if satisfied else "factual_error", 0.8)

    def comparisons(self, conversation, reactions):
        return tuple(
            FollowUpComparison(
                prompt=conversation[: each.turn - 1],
                chosen=conversation[each.turn + 1]["content"],
                rejected=conversation[each.turn - 1]["content"],
                weight=each.probability,
                turn=each.turn,
            )
            for each in reactions
            if not each.satisfied
        )


@pytest.mark.parametrize("check", instruction_miner_checks(ByPhrase))
def test_the_right_miner_passes(check: Callable[[], None]) -> None:
    check()


class ReadsTheLastTurn(ByPhrase):
    def mine(self, conversation, *, tools):
        right = super().mine(conversation, tools=tools)
        return replace(right, wishes=right.wishes[-1:])


class ReadsEverybody(ByPhrase):
    roles = ("user", "assistant", "tool", "system")


class ReadsTools(ByPhrase):
    roles = ("user", "tool")


class ReadsQuotes(ByPhrase):
    def is_handed_over(self, content):
        return content.startswith(">")


class AlwaysFindsOne(ByPhrase):
    def mine(self, conversation, *, tools):
        right = super().mine(conversation, tools=tools)
        return right if conversation else replace(right, wishes=(Wish("x", "x", 0, 0.5),))


class CountsUserTurns(ByPhrase):
    def mine(self, conversation, *, tools):
        right = super().mine(conversation, tools=tools)
        wishes = tuple(replace(each, turn=n) for n, each in enumerate(right.wishes))
        return replace(right, wishes=wishes)


class QuotesInItsOwnWords(ByPhrase):
    def wishes(self, turn, content):
        for wish in super().wishes(turn, content):
            yield replace(wish, quote=wish.quote.upper())


class GivesScores(ByPhrase):
    def wishes(self, turn, content):
        for wish in super().wishes(turn, content):
            yield replace(wish, probability=3.2)


class TakesComplaintsForPraise(ByPhrase):
    def reactions(self, turn, conversation):
        for each in super().reactions(turn, conversation):
            yield replace(each, satisfied=True)


class HearsPraiseOfNothing(ByPhrase):
    def reactions(self, turn, conversation):
        reply = {"role": "assistant", "content": ""}
        for each in super().reactions(turn + 1, [reply, *conversation]):
            yield replace(each, turn=turn)


class ComparesNothing(ByPhrase):
    def comparisons(self, conversation, reactions):
        return ()


class WeighsByLength(ByPhrase):
    def comparisons(self, conversation, reactions):
        right = super().comparisons(conversation, reactions)
        return tuple(replace(each, weight=float(len(each.chosen))) for each in right)


class PromptsWithTheReply(ByPhrase):
    def comparisons(self, conversation, reactions):
        right = super().comparisons(conversation, reactions)
        return tuple(replace(each, prompt=conversation[: each.turn]) for each in right)


class Remembers(ByPhrase):
    def __init__(self):
        self.heard = ()

    def mine(self, conversation, *, tools):
        right = super().mine(conversation, tools=tools)
        self.heard = (*self.heard, *right.reactions)
        return replace(right, reactions=self.heard)


class Counts(ByPhrase):
    numbers = itertools.count(1)

    def mine(self, conversation, *, tools):
        shade = 0.5 / next(self.numbers)
        right = super().mine(conversation, tools=tools)
        wishes = tuple(replace(each, probability=shade) for each in right.wishes)
        return replace(right, wishes=wishes)


class Trims(ByPhrase):
    def mine(self, conversation, *, tools):
        right = super().mine(conversation, tools=tools)
        for message in conversation:
            message["content"] = message["content"][:20]
        return right


WRONG = [
    (ReadsTheLastTurn, "stated_wishes_are_mined"),
    (ReadsEverybody, "only_the_persons_turns_count"),
    (ReadsTools, "only_the_persons_turns_count"),
    (ReadsQuotes, "quoted_words_are_nobodys_wish"),
    (AlwaysFindsOne, "nothing_is_mined_from_nothing"),
    (CountsUserTurns, "quotes_stand_in_their_turn"),
    (QuotesInItsOwnWords, "quotes_stand_in_their_turn"),
    (GivesScores, "probabilities_are_probabilities"),
    (TakesComplaintsForPraise, "reactions_follow_replies"),
    (HearsPraiseOfNothing, "reactions_follow_replies"),
    (ComparesNothing, "comparisons_are_of_the_conversation"),
    (WeighsByLength, "comparisons_are_of_the_conversation"),
    (PromptsWithTheReply, "comparisons_are_of_the_conversation"),
    (Remembers, "mining_is_repeatable"),
    (Counts, "mining_is_repeatable"),
    (Trims, "arguments_stay_unchanged"),
]


@pytest.mark.parametrize(("miner", "check"), WRONG)
def test_the_wrong_miner_is_caught(miner: type, check: str) -> None:
    with pytest.raises(ConformanceError, match=f"does not pass '{check}'"):
        check_instruction_miner(miner, checks=[check])


def test_every_check_catches_something() -> None:
    assert {check for _, check in WRONG} == set(CHECKS["instruction_miner"])

"""The conformance suite of instruction miners."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

from persona_engine.interfaces import Encoder, InstructionMiner
from persona_engine.testing.kit import BoundCheck, Check, bind, name_of, require
from persona_engine.testing.language import language_tools
from persona_engine.types import Conversation, Message, Role, Signals, Wish

MinerFactory = Callable[[], InstructionMiner]

_WISHES = (
    "From now on, please always give me the weights in grams.",
    "Never use bullet points when you write to me.",
    "I'm vegan.",
)
_TALK: tuple[tuple[Role, str], ...] = (
    ("system", "You are a friendly assistant."),
    ("user", "How do I make pancakes?"),
    ("assistant", "- One cup of flour\n- One cup of milk"),
    ("user", "That's wrong, it is far too much milk. Please try again."),
    ("assistant", "Take 200 g of flour and 150 ml of milk."),
    ("user", f"Thanks, that's perfect! {_WISHES[0]}"),
    ("tool", '{"saved": true}'),
    ("assistant", "I will."),
    ("user", f"{_WISHES[1]} What goes well with them?"),
    ("assistant", "Butter or maple syrup."),
    ("user", f"{_WISHES[2]} What else?"),
)
_QUOTING = (
    "> {}",
    'What is the verb in "{}"?',
    "What does this do?\n```\n{}\n```",
    "Summarise this email:\n\nHello,\n{}\nBest, Tom",
    "Translate the following to German: {}",
)
_SPEAKERS: tuple[Role, ...] = ("assistant", "tool", "system")


class MinerSubject:
    """A miner under test, with a conversation in which a person states three wishes.

    Args:
        factory: Makes a miner.
        encoder: The sentence encoder that it was trained with, if it was.
    """

    def __init__(self, factory: MinerFactory, encoder: Encoder | None = None) -> None:
        self.factory = factory
        self.tools = language_tools(encoder)
        self.conversation: list[Message] = [
            {"role": role, "content": content} for role, content in _TALK
        ]

    @cached_property
    def miner(self) -> InstructionMiner:
        """One instance that the checks share."""
        return self.factory()

    @cached_property
    def signals(self) -> Signals:
        """What is mined from the conversation."""
        return self.mine(self.conversation)

    def mine(self, conversation: Conversation) -> Signals:
        """Return what the miner reads from a copy of a conversation."""
        return self.miner.mine(copy.deepcopy(list(conversation)), tools=self.tools)


def stated_wishes_are_mined(subject: MinerSubject) -> None:
    """Find what a person states as a rule for every reply, and a lasting fact of theirs."""
    turns = {each.turn for each in subject.signals.wishes}
    require(
        turns == {5, 8, 10},
        f"of wishes in the turns 5, 8 and 10, it mined those of {sorted(turns)}",
        remedy="read every sentence of every turn of the role 'user', and no others",
    )


def only_the_persons_turns_count(subject: MinerSubject) -> None:
    """Read nothing from words of the assistant, a tool or the operator."""
    for wish in _WISHES:
        for role in _SPEAKERS:
            found = subject.mine(_said_by(role, wish)).wishes
            require(
                not found,
                f"{wish!r}, said by the {role}, gives the wish {_text(found)!r}",
                remedy="mine messages of the role 'user' only",
            )


def quoted_words_are_nobodys_wish(subject: MinerSubject) -> None:
    """Read nothing from what the person quotes, pastes, or wants translated."""
    for wish in _WISHES:
        for quoting in _QUOTING:
            found = subject.mine([{"role": "user", "content": quoting.format(wish)}]).wishes
            require(
                not found,
                f"{quoting.format(wish)!r} gives the wish {_text(found)!r}",
                remedy="leave out quotations, code, and texts that the person hands over",
            )


def nothing_is_mined_from_nothing(subject: MinerSubject) -> None:
    """Return nothing for a conversation without messages, and for blank ones."""
    blank: list[Message] = [{"role": "user", "content": each} for each in ("", "  \n")]
    for conversation in ([], blank):
        found = subject.mine(conversation)
        require(
            (found.wishes, found.reactions, found.comparisons) == ((), (), ()),
            f"{conversation!r} gives {found!r}",
            remedy="return Signals() where the person says nothing",
        )


def quotes_stand_in_their_turn(subject: MinerSubject) -> None:
    """Quote the person's words as they stand in the turn that is named."""
    for wish in subject.signals.wishes:
        where = _message(subject.conversation, wish.turn)
        require(
            where is not None and where["role"] == "user" and wish.quote in where["content"],
            f"the quote {wish.quote!r} of turn {wish.turn} is not in that turn of the person",
            remedy="cut the quote from the message, and count turns in the whole conversation",
        )
        require(
            bool(wish.quote.strip()) and bool(wish.text.strip()),
            f"the wish of turn {wish.turn} has a blank text or quote",
            remedy="write the wish as an instruction",
        )


def probabilities_are_probabilities(subject: MinerSubject) -> None:
    """Give wishes and reactions probabilities from 0 to 1."""
    signals = subject.signals
    found = [wish.probability for wish in signals.wishes]
    found += [reaction.probability for reaction in signals.reactions]
    require(
        all(0.0 <= each <= 1.0 for each in found),
        f"the probabilities are {found}",
        remedy="return probabilities, not scores",
    )


def reactions_follow_replies(subject: MinerSubject) -> None:
    """Notice a plain complaint and plain praise, in the follow-ups that say so."""
    said = {each.turn: each.satisfied for each in subject.signals.reactions}
    require(
        said.get(3) is False and said.get(5) is True,
        f"the complaint in turn 3 and the praise in turn 5 are read as {said}",
        remedy="judge each turn of the person that comes after a reply",
    )
    first: Message = {"role": "user", "content": "Thanks, that's perfect!"}
    require(
        not subject.mine([first]).reactions,
        "praise before any reply is read as a reaction",
        remedy="judge only what comes after a reply",
    )


def comparisons_are_of_the_conversation(subject: MinerSubject) -> None:
    """Compare replies of the conversation to one request, with weights above 0, at most 1."""
    replies = {each["content"] for each in subject.conversation if each["role"] == "assistant"}
    found = subject.signals.comparisons
    require(bool(found), "a mended reply gives no comparison", remedy="prefer it to the one before")
    for each in found:
        require(
            {each.chosen, each.rejected} <= replies and each.chosen != each.rejected,
            f"{each.chosen!r} and {each.rejected!r} are not two replies of the conversation",
            remedy="copy the replies as they stand",
        )
        require(
            0.0 < each.weight <= 1.0,
            f"a weight is {each.weight!r}",
            remedy="weigh by how sure the complaint and its end are",
        )
        length = len(each.prompt)
        require(
            0 < length <= each.turn
            and list(each.prompt) == subject.conversation[:length]
            and each.prompt[-1]["role"] == "user",
            f"the prompt has {length} messages, and is not the conversation up to a request",
            remedy="let the prompt end with the request that both replies answer",
        )


def mining_is_repeatable(subject: MinerSubject) -> None:
    """Mine the same again, also in another instance and after other conversations."""
    remedy = "keep nothing of a conversation on the instance, and draw nothing"
    subject.mine(_said_by("user", _WISHES[1]))
    again = subject.mine(subject.conversation)
    require(again == subject.signals, "the second run gives something else", remedy=remedy)
    other = subject.factory().mine(copy.deepcopy(subject.conversation), tools=subject.tools)
    require(other == subject.signals, "another instance gives something else", remedy=remedy)


def arguments_stay_unchanged(subject: MinerSubject) -> None:
    """Leave the conversation as it is."""
    conversation = copy.deepcopy(subject.conversation)
    subject.miner.mine(conversation, tools=subject.tools)
    require(
        conversation == subject.conversation,
        "mine changed the conversation",
        remedy="copy a message before you write to it",
    )


def _said_by(role: Role, words: str) -> list[Message]:
    return [
        {"role": "user", "content": "What goes well with rice?"},
        {"role": role, "content": words},
        {"role": "user", "content": "And with noodles?"},
    ]


def _message(conversation: Conversation, turn: int) -> Message | None:
    return conversation[turn] if 0 <= turn < len(conversation) else None


def _text(wishes: Sequence[Wish]) -> str:
    return wishes[0].text if wishes else ""


MINER_CHECKS: Mapping[str, Check[MinerSubject]] = MappingProxyType(
    {
        check.__name__: check
        for check in (
            stated_wishes_are_mined,
            only_the_persons_turns_count,
            quoted_words_are_nobodys_wish,
            nothing_is_mined_from_nothing,
            quotes_stand_in_their_turn,
            probabilities_are_probabilities,
            reactions_follow_replies,
            comparisons_are_of_the_conversation,
            mining_is_repeatable,
            arguments_stay_unchanged,
        )
    }
)


def instruction_miner_checks(
    factory: MinerFactory,
    *,
    encoder: Encoder | None = None,
    checks: Iterable[str] | None = None,
) -> tuple[BoundCheck[MinerSubject], ...]:
    """Return the checks of a miner, each to be called.

    Args:
        factory: Makes an instance; called without arguments.
        encoder: The sentence encoder that it was trained with, if it was.
        checks: Names of `MINER_CHECKS`; all of them if omitted.
    """
    return bind(MINER_CHECKS, MinerSubject(factory, encoder), name_of(factory), checks)


def check_instruction_miner(
    factory: MinerFactory,
    *,
    encoder: Encoder | None = None,
    checks: Iterable[str] | None = None,
) -> None:
    """Run the checks of a miner, in order, up to the first that it does not pass.

    Raises:
        ConformanceError: A check failed; the message names it, the plugin, and what to do.
    """
    for check in instruction_miner_checks(factory, encoder=encoder, checks=checks):
        check()

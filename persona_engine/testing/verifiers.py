"""The conformance suite of instruction verifiers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType

import numpy as np

from persona_engine.interfaces import Encoder, InstructionVerifier
from persona_engine.testing.kit import BoundCheck, Check, bind, name_of, require, require_close
from persona_engine.testing.language import language_tools
from persona_engine.types import Conversation, FloatArray, Instruction, Verification

VerifierFactory = Callable[[], InstructionVerifier]

_REQUEST = "What can I cook with lentils tonight?"
_TEXTS = (
    "Answer in at most two sentences.",
    "I am a vegetarian, so suggest no meat.",
    "No emoji.",
    "Be warm and encouraging.",
    "Answer in French.",
)
_REPLIES = (
    "Simmer them with tomatoes and cumin. Serve with rice.",
    "Great choice! 🎉 You could fry sausages. Add the lentils. Pour in stock. Enjoy!",
    "Faites mijoter les lentilles avec des carottes et un peu de thym.",
    "- lentils\n- onions\n- bacon",
)
_STRANGE = ("", " \n\t", "…", "🎉" * 50, "\x00\ud7ff\u200d", "word " * 3000, "[" * 2000, '"')


class VerifierSubject:
    """A verifier under test, with instructions of many sorts and replies that differ in them.

    Args:
        factory: Makes a verifier.
        encoder: The sentence encoder that it was trained for, if it was.
        instructions: What else to ask it about: a verifier of few instructions is tested on those
            that it judges.
    """

    def __init__(
        self,
        factory: VerifierFactory,
        encoder: Encoder | None = None,
        instructions: Sequence[str] = (),
    ) -> None:
        self.factory = factory
        self.tools = language_tools(encoder)
        self.conversation: Conversation = [{"role": "user", "content": _REQUEST}]
        self.replies = _REPLIES
        said = datetime(2026, 1, 1, tzinfo=UTC)
        self.instructions = tuple(
            Instruction(id=f"i{n}", text=text, created_at=said)
            for n, text in enumerate((*_TEXTS, *instructions))
        )

    @cached_property
    def verifier(self) -> InstructionVerifier:
        """One instance that the checks share."""
        return self.factory()

    @cached_property
    def judged(self) -> tuple[bool, ...]:
        """Which of the instructions it says that it judges."""
        return tuple(self.verifier.judges(each) for each in self.instructions)

    def verify(
        self,
        instructions: Sequence[Instruction] | None = None,
        replies: Sequence[str] | None = None,
        verifier: InstructionVerifier | None = None,
    ) -> Verification:
        """Return what the verifier says; of everything by default."""
        return (verifier or self.verifier).verify(
            self.conversation,
            self.instructions if instructions is None else instructions,
            self.replies if replies is None else replies,
            tools=self.tools,
        )


def something_is_judged(subject: VerifierSubject) -> None:
    """Judge at least one of the instructions, so that the other checks say something."""
    require(
        any(subject.judged),
        f"it judges none of {[each.text for each in subject.instructions]}",
        remedy="give the suite `instructions` that it judges",
    )


def judges_tells_beforehand(subject: VerifierSubject) -> None:
    """Give probabilities for the instructions that ``judges`` is true of, NaN for the others."""
    found = subject.verify().probability
    for judged, row, instruction in zip(subject.judged, found, subject.instructions, strict=True):
        require(
            bool(np.isnan(row).all() if not judged else not np.isnan(row).any()),
            f"of {instruction.text!r} `judges` says {judged}, and the row is {row.tolist()}",
            remedy="let one function of the instruction alone decide both",
        )


def probabilities_are_probabilities(subject: VerifierSubject) -> None:
    """Return ``(I, B)`` values from 0 to 1, for blank, endless and broken replies too."""
    for replies in (subject.replies, _STRANGE):
        found = subject.verify(replies=replies).probability
        shape = (len(subject.instructions), len(replies))
        require(
            np.shape(found) == shape,
            f"the shape is {np.shape(found)}, expected {shape}",
            remedy="return one row for each instruction and one column for each reply",
        )
        values = found[~np.isnan(found)]
        require(
            bool(((values >= 0) & (values <= 1)).all()),
            f"there are values from {values.min(initial=1)} to {values.max(initial=0)}",
            remedy="clip to 0 and 1",
        )


def judgements_have_reasons(subject: VerifierSubject) -> None:
    """Say in words why, for every reply and each instruction that is judged."""
    found = subject.verify()
    remedy = "return I rows of B texts, none blank where there is a probability"
    lengths = [len(row) for row in found.reasons]
    expected = [len(subject.replies)] * len(subject.instructions)
    require(lengths == expected, f"rows of reasons have lengths {lengths}", remedy=remedy)
    for judged, row in zip(subject.judged, found.reasons, strict=True):
        require(not judged or all(each.strip() for each in row), "a reason is blank", remedy=remedy)


def nothing_is_judged_of_nothing(subject: VerifierSubject) -> None:
    """Return no rows without instructions, and empty rows without replies."""
    for instructions, replies in (((), subject.replies), (subject.instructions, ()), ((), ())):
        found = subject.verify(instructions, replies)
        shape = (len(instructions), len(replies))
        require(
            np.shape(found.probability) == shape and len(found.reasons) == len(instructions),
            f"of {shape[0]} instructions and {shape[1]} replies the shape is "
            f"{np.shape(found.probability)}, with {len(found.reasons)} rows of reasons",
            remedy="make the array of that shape first",
        )


def order_is_irrelevant(subject: VerifierSubject) -> None:
    """Judge each pair alike wherever instruction and reply stand."""
    expected = subject.verify().probability
    rows = list(range(len(subject.instructions)))[::-1]
    columns = [2, 0, 3, 1]
    found = subject.verify(
        [subject.instructions[row] for row in rows], [subject.replies[n] for n in columns]
    ).probability
    _require_same(found, expected[np.ix_(rows, columns)], "in another order")


def replies_are_judged_apart(subject: VerifierSubject) -> None:
    """Judge a reply alike alone and among others, and an instruction too."""
    expected = subject.verify().probability
    for row, instruction in enumerate(subject.instructions):
        for column, reply in enumerate(subject.replies):
            found = subject.verify([instruction], [reply]).probability
            _require_same(found, expected[row : row + 1, column : column + 1], "by itself")


def verifying_is_deterministic(subject: VerifierSubject) -> None:
    """Give the same again, on the same instance and on a new one."""
    expected = subject.verify().probability
    for verifier in (subject.verifier, subject.factory()):
        _require_same(subject.verify(verifier=verifier).probability, expected, "when asked again")


def arguments_stay_unchanged(subject: VerifierSubject) -> None:
    """Change neither the conversation nor the lists of instructions and replies."""
    instructions, replies = list(subject.instructions), list(subject.replies)
    before = copy.deepcopy((subject.conversation, instructions, replies))
    subject.verify(instructions, replies)
    require(
        (subject.conversation, instructions, replies) == before,
        "verify changed its arguments",
        remedy="copy a list before you change it",
    )


def _require_same(found: FloatArray, expected: FloatArray, how: str) -> None:
    remedy = "let the judgement depend on instruction, reply and conversation alone"
    require(
        bool((np.isnan(found) == np.isnan(expected)).all()),
        f"{how}, other pairs are judged",
        remedy=remedy,
    )
    require_close(
        np.nan_to_num(found), np.nan_to_num(expected), f"probabilities {how}", remedy=remedy
    )


VERIFIER_CHECKS: Mapping[str, Check[VerifierSubject]] = MappingProxyType(
    {
        check.__name__: check
        for check in (
            something_is_judged,
            judges_tells_beforehand,
            probabilities_are_probabilities,
            judgements_have_reasons,
            nothing_is_judged_of_nothing,
            order_is_irrelevant,
            replies_are_judged_apart,
            verifying_is_deterministic,
            arguments_stay_unchanged,
        )
    }
)


def instruction_verifier_checks(
    factory: VerifierFactory,
    *,
    encoder: Encoder | None = None,
    instructions: Sequence[str] = (),
    checks: Iterable[str] | None = None,
) -> tuple[BoundCheck[VerifierSubject], ...]:
    """Return the checks of a verifier, each to be called.

    Args:
        factory: Makes an instance; called without arguments.
        encoder: The sentence encoder that it was trained for, if it was.
        instructions: Further instructions to ask it about, in words.
        checks: Names of `VERIFIER_CHECKS`; all of them if omitted.
    """
    subject = VerifierSubject(factory, encoder, instructions)
    return bind(VERIFIER_CHECKS, subject, name_of(factory), checks)


def check_instruction_verifier(
    factory: VerifierFactory,
    *,
    encoder: Encoder | None = None,
    instructions: Sequence[str] = (),
    checks: Iterable[str] | None = None,
) -> None:
    """Run the checks of a verifier, in order, up to the first that it does not pass.

    Raises:
        ConformanceError: A check failed; the message names it, the plugin, and what to do.
    """
    for check in instruction_verifier_checks(
        factory, encoder=encoder, instructions=instructions, checks=checks
    ):
        check()

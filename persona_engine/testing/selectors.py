"""The conformance suite of instruction selectors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType

import numpy as np

from persona_engine.interfaces import Encoder, InstructionSelector
from persona_engine.testing.kit import BoundCheck, Check, bind, name_of, require, require_close
from persona_engine.testing.language import language_tools
from persona_engine.types import (
    Conversation,
    FloatArray,
    Instruction,
    LogLikelihood,
    SelectedInstruction,
)

SelectorFactory = Callable[[], InstructionSelector]

_REQUEST = "What can I cook with lentils?"
_TEXTS = (
    "No meat in recipes.",
    "Give weights in metric units.",
    "Call me Sam in letters.",
    "Write code in Rust.",
)
_COSINES = (0.9, 0.4, 0.2, 0.0)


class SelectorSubject:
    """A selector under test, with instructions of which the first fits the request best.

    Args:
        factory: Makes a selector.
        encoder: Embeds request and instructions, for selectors that were calibrated on its
            features; without one, embeddings have the cosines 0.9, 0.4, 0.2 and 0.
        log_likelihood: The language model's, for selectors that ask one.
    """

    def __init__(
        self,
        factory: SelectorFactory,
        encoder: Encoder | None = None,
        log_likelihood: LogLikelihood | None = None,
    ) -> None:
        self.factory = factory
        self.conversation: Conversation = [{"role": "user", "content": _REQUEST}]
        self.tools = language_tools(encoder, log_likelihood=log_likelihood)
        if encoder is None:
            self.request, self.embeddings = _known_cosines()
        else:
            embeddings = self.tools.embed([_REQUEST, *_TEXTS])
            self.request, self.embeddings = embeddings[0], embeddings[1:]

    @cached_property
    def selector(self) -> InstructionSelector:
        """One instance that the checks share."""
        return self.factory()

    @cached_property
    def instructions(self) -> tuple[Instruction, ...]:
        """Active instructions, each with a scope."""
        said = datetime(2026, 1, 1, tzinfo=UTC)
        return tuple(
            Instruction(id=f"i{n}", text=text, created_at=said, scope=text.split()[-1].rstrip("."))
            for n, text in enumerate(_TEXTS)
        )

    def select(self, order: Sequence[int] = (0, 1, 2, 3)) -> tuple[SelectedInstruction, ...]:
        """Return what the selector says of the instructions, given in that order."""
        return self.selector.select(
            self.conversation,
            [self.instructions[n] for n in order],
            request=self.request,
            embeddings=self.embeddings[list(order)],
            tools=self.tools,
        )


def every_instruction_is_judged(subject: SelectorSubject) -> None:
    """Return each instruction once, most probable first, with a probability and a reason."""
    remedy = "judge every instruction, sort by probability, and say why in words"
    found = subject.select()
    require(
        sorted(each.instruction.id for each in found) == [each.id for each in subject.instructions],
        f"of 4 instructions it returned {[each.instruction.id for each in found]}",
        remedy=remedy,
    )
    probabilities = [each.probability for each in found]
    require(
        all(0.0 <= each <= 1.0 for each in probabilities)
        and probabilities == sorted(probabilities, reverse=True),
        f"the probabilities are {probabilities}, expected falling from 1 to 0 at most",
        remedy=remedy,
    )
    require(all(each.reason for each in found), "a reason is empty", remedy=remedy)


def nothing_is_selected_from_nothing(subject: SelectorSubject) -> None:
    """Return nothing when there is no instruction."""
    require(subject.select([]) == (), "no instruction gives a selection", remedy="return ()")


def order_is_irrelevant(subject: SelectorSubject) -> None:
    """Judge each instruction alike wherever it stands, and alike when asked again."""
    expected = _by_id(subject.select())
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        found = _by_id(subject.select(order))
        require_close(
            [found[each] for each in sorted(found)],
            [expected[each] for each in sorted(expected)],
            "probabilities in another order",
            remedy="keep rows of embeddings and instructions together",
        )


def nearer_is_more_probable(subject: SelectorSubject) -> None:
    """Give an instruction near the request a higher probability than a far one."""
    found = _by_id(subject.select())
    require(
        found["i0"] > found["i3"],
        f"at a cosine of 0.9 the probability is {found['i0']:.3g}, at 0 it is {found['i3']:.3g}",
        remedy="let the probability rise with the cosine of instruction and request",
    )


def arguments_stay_unchanged(subject: SelectorSubject) -> None:
    """Change neither the conversation nor the embeddings."""
    before = copy.deepcopy((subject.conversation, subject.embeddings, subject.request))
    subject.select()
    same = (
        subject.conversation == before[0]
        and np.array_equal(subject.embeddings, before[1])
        and np.array_equal(subject.request, before[2])
    )
    require(same, "select changed its arguments", remedy="copy an array before you write to it")


def _known_cosines() -> tuple[FloatArray, FloatArray]:
    basis = np.eye(1 + len(_COSINES), dtype=np.float32)
    cosines = np.asarray(_COSINES, np.float32)[:, None]
    return basis[0], cosines * basis[0] + np.sqrt(1 - cosines**2) * basis[1:]


def _by_id(selected: Sequence[SelectedInstruction]) -> dict[str, float]:
    return {each.instruction.id: each.probability for each in selected}


SELECTOR_CHECKS: Mapping[str, Check[SelectorSubject]] = MappingProxyType(
    {
        check.__name__: check
        for check in (
            every_instruction_is_judged,
            nothing_is_selected_from_nothing,
            order_is_irrelevant,
            nearer_is_more_probable,
            arguments_stay_unchanged,
        )
    }
)


def instruction_selector_checks(
    factory: SelectorFactory,
    *,
    encoder: Encoder | None = None,
    log_likelihood: LogLikelihood | None = None,
    checks: Iterable[str] | None = None,
) -> tuple[BoundCheck[SelectorSubject], ...]:
    """Return the checks of a selector, each to be called.

    Args:
        factory: Makes an instance; called without arguments.
        encoder: The sentence encoder that it was calibrated for, if it was.
        log_likelihood: The language model's, if it asks one.
        checks: Names of `SELECTOR_CHECKS`; all of them if omitted.
    """
    subject = SelectorSubject(factory, encoder, log_likelihood)
    return bind(SELECTOR_CHECKS, subject, name_of(factory), checks)


def check_instruction_selector(
    factory: SelectorFactory,
    *,
    encoder: Encoder | None = None,
    log_likelihood: LogLikelihood | None = None,
    checks: Iterable[str] | None = None,
) -> None:
    """Run the checks of a selector, in order, up to the first that it does not pass.

    Raises:
        ConformanceError: A check failed; the message names it, the plugin, and what to do.
    """
    for check in instruction_selector_checks(
        factory, encoder=encoder, log_likelihood=log_likelihood, checks=checks
    ):
        check()

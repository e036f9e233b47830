"""The verifier: instructions compiled once, replies judged by every constraint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_constraints.grammar import compile_instruction
from persona_constraints.mending import mend
from persona_constraints.outcome import Constraint, Outcome
from persona_engine.interfaces import LanguageTools
from persona_engine.types import Conversation, Instruction, Mending, Verification


class ConstraintVerifier:
    """Judges what a program can check of an instruction: length, form, words, language.

    P(kept) = Π_c 1[c holds], over the constraints c that its words compile to; an instruction
    that compiles to none is not judged (NaN). What it checks are the verifiable instructions of
    IFEval (Zhou et al. 2023, arXiv:2311.07911), all 25 kinds as its strict checker does, and the
    everyday ones: emoji, tables, spelling, words per sentence and the like. Answers are 0 or 1 and
    say what was counted.

    It also mends: what an editor could do without writing anything (cut to length, take out
    emoji, re-case, put the asked ending there) is offered as one more candidate, which the trace
    tells as edited.

    Use it first: it needs no model and does not err on what it judges. What it
    leaves open ("be friendly") is for a learned verifier.

    Args:
        mends: Whether replies are offered mended; False shows the model's own words only.

    Examples:
        >>> from datetime import UTC, datetime
        >>> from persona_engine.testing.language import language_tools
        >>> brief = Instruction("1", "At most two sentences.", datetime(2026, 1, 1, tzinfo=UTC))
        >>> turn = [{"role": "user", "content": "Why is the sky blue?"}]
        >>> found = ConstraintVerifier().verify(
        ...     turn, [brief], ["Air scatters blue light.", "Air. Scatters. Blue."],
        ...     tools=language_tools(),
        ... )
        >>> found.probability.tolist(), found.reasons[0][1]
        ([[1.0, 0.0]], '3 sentences, at most 2 wanted')
    """

    name = "constraints"

    def __init__(self, *, mends: bool = True) -> None:
        self._mends = mends

    def judges(self, instruction: Instruction) -> bool:
        """Say whether its words compile to anything that a program can check."""
        return bool(compile_instruction(instruction.text))

    def verify(
        self,
        conversation: Conversation,
        instructions: Sequence[Instruction],
        responses: Sequence[str],
        *,
        tools: LanguageTools,
    ) -> Verification:
        """Return whether each of ``B`` replies keeps each of ``I`` instructions, ``(I, B)``.

        Args:
            conversation: The messages so far; what the user said last may be asked to be repeated.
            instructions: Those to judge; rows that compile to nothing are NaN.
            responses: The replies; a blank one keeps nothing.
            tools: Not needed.
        """
        prompt = last_request(conversation)
        probability = np.full((len(instructions), len(responses)), np.nan, np.float32)
        reasons: list[tuple[str, ...]] = []
        for row, instruction in enumerate(instructions):
            constraints = compile_instruction(instruction.text)
            outcomes = [judge(constraints, reply, prompt) for reply in responses]
            if constraints:
                probability[row] = [outcome.holds for outcome in outcomes]
            reasons.append(tuple(outcome.reason for outcome in outcomes))
        return Verification(probability, tuple(reasons))

    def mend(
        self,
        conversation: Conversation,
        instructions: Sequence[Instruction],
        responses: Sequence[str],
    ) -> tuple[Mending | None, ...]:
        """Return replies put right by edits; see `persona_constraints.mending.mend`.

        Args:
            conversation: The messages so far.
            instructions: All that a reply is to keep.
            responses: The replies; where two are asked for, each is put together with the next.
        """
        if not self._mends:
            return (None,) * len(responses)
        compiled = (compile_instruction(each.text) for each in instructions)
        constraints = tuple(dict.fromkeys(each for several in compiled for each in several))
        prompt = last_request(conversation)
        others = [*responses[1:], *responses[:1]] if len(responses) > 1 else [""]
        return tuple(
            mend(constraints, reply, prompt, other=other)
            for reply, other in zip(responses, others, strict=False)
        )


def judge(constraints: Sequence[Constraint], reply: str, prompt: str) -> Outcome:
    """Return whether a reply keeps all constraints; the reason is that of those which fail."""
    if not constraints:
        return Outcome(False, "no program can check this")
    if not reply.strip():
        return Outcome(False, "the reply is blank")
    outcomes = [constraint.holds(reply, prompt) for constraint in constraints]
    failed = [outcome for outcome in outcomes if not outcome.holds]
    return Outcome(not failed, "; ".join(outcome.reason for outcome in failed or outcomes))


def last_request(conversation: Conversation) -> str:
    """Return the words of the last user message; empty without one."""
    turns = (message["content"] for message in reversed(conversation) if message["role"] == "user")
    return next(turns, "")

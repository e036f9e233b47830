"""Settles what contradicts: an operator's rule outranks a user's words, these what was induced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from persona_engine.instructions.reconcile import reconcile
from persona_engine.interfaces import LanguageTools
from persona_engine.types import InstructionSource, SelectedInstruction

PRECEDENCE: tuple[InstructionSource, ...] = ("operator", "user", "induced")
"""Sources of instructions, those whose word counts most first."""


def without_outranked(
    judged: Sequence[SelectedInstruction], *, tools: LanguageTools
) -> tuple[SelectedInstruction, ...]:
    """Return judgements in which nothing is used that a higher source contradicts.

    What one source says twice over was settled when it was said; here two sources meet that never
    take each other's place in the store, since either may be withdrawn.

    Args:
        judged: Instructions as the selector judged them.
        tools: The sentence encoder that relations are judged by.
    """
    used = [each for each in judged if each.used]
    if len({each.instruction.source for each in used}) < 2:
        return tuple(judged)
    reasons: dict[str, str] = {}
    for high in sorted(used, key=_rank):
        lower = [each for each in used if _rank(each) > _rank(high)]
        if high.instruction.id in reasons or not lower:
            continue
        source = high.instruction.source
        verdict = reconcile(
            high.instruction,
            [replace(each.instruction, source=source) for each in lower],
            tools=tools,
        )
        if verdict.action == "supersede":
            reason = f"the {source}'s {high.instruction.text!r} outranks it"
            reasons.update({each.id: reason for each in verdict.superseded})
    return tuple(
        replace(each, used=False, reason=reasons[each.instruction.id])
        if each.instruction.id in reasons
        else each
        for each in judged
    )


def _rank(selected: SelectedInstruction) -> int:
    return PRECEDENCE.index(selected.instruction.source)

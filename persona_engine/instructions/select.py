"""Decides which standing instructions go into one prompt, and says why for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from persona_engine.errors import InvalidInputError, PluginError
from persona_engine.instructions.outrank import without_outranked
from persona_engine.instructions.render import (
    CountTokens,
    Rendering,
    last_user_turn,
    render_instructions,
)
from persona_engine.interfaces import InstructionSelector, LanguageTools
from persona_engine.types import (
    Conversation,
    FloatArray,
    Instruction,
    Message,
    SelectedInstruction,
)


@dataclass(frozen=True, slots=True)
class AppliedInstructions:
    """A conversation with the applying instructions placed, and every decision.

    Args:
        messages: The conversation; the very same messages when nothing applies.
        decisions: Every instruction, used or not, and why; used ones first, in the block's order.
        tokens: Length of the block that was added; 0 without one.
        reason: What was placed, in words.
    """

    messages: tuple[Message, ...]
    decisions: tuple[SelectedInstruction, ...]
    tokens: int
    reason: str


def apply_instructions(
    conversation: Conversation,
    instructions: Sequence[Instruction],
    *,
    selector: InstructionSelector,
    request: FloatArray,
    embeddings: FloatArray,
    tools: LanguageTools,
    now: datetime,
    budget: int,
    count_tokens: CountTokens,
) -> AppliedInstructions:
    """Select the instructions that apply now and place them within the budget.

    Args:
        conversation: The messages so far; the last user turn is the request.
        instructions: The user's instructions, ``I`` of them; any status.
        selector: Judges which apply.
        request: Sentence embedding of the request, ``(E,)``, unit length.
        embeddings: Sentence embeddings of the instructions, ``(I, E)``, unit length.
        tools: What the selector may ask further.
        now: Against which times of validity are held.
        budget: Most tokens that may be added.
        count_tokens: Length of a text in the model's tokens.

    Raises:
        InvalidInputError: There is not one embedding for each instruction, or the budget is
            negative.
        PluginError: The selector failed, or did not judge each instruction once.
    """
    if len(embeddings) != len(instructions):
        raise InvalidInputError(
            f"{len(embeddings)} embeddings for {len(instructions)} instructions, expected as many"
        )
    idle = {each.id: why for each in instructions if (why := _not_in_force(each, now))}
    rows = [row for row, each in enumerate(instructions) if each.id not in idle]
    live = [instructions[row] for row in rows]
    judged: tuple[SelectedInstruction, ...] = ()
    if live and last_user_turn(conversation) is not None:
        judged = _judge(
            selector,
            conversation,
            live,
            request=request,
            embeddings=np.asarray(embeddings)[rows],
            tools=tools,
        )
    elif live:
        judged = tuple(_left_out(each, "there is no user turn to place it at") for each in live)
    judged = without_outranked(judged, tools=tools)
    rendering = render_instructions(
        conversation,
        [each.instruction for each in judged if each.used],
        budget=budget,
        count_tokens=count_tokens,
    )
    unused = [_left_out(each, idle[each.id]) for each in instructions if each.id in idle]
    decisions = (*_decisions(judged, rendering, budget), *unused)
    return AppliedInstructions(rendering.messages, decisions, rendering.tokens, rendering.reason)


def in_force(instructions: Sequence[Instruction], *, now: datetime) -> tuple[Instruction, ...]:
    """Return those that are active and valid now; only these need embeddings."""
    return tuple(each for each in instructions if not _not_in_force(each, now))


def _not_in_force(instruction: Instruction, now: datetime) -> str:
    """Say why an instruction is not in force; empty when it is."""
    if instruction.status != "active":
        return f"its status is {instruction.status}"
    if instruction.valid_from is not None and now < instruction.valid_from:
        return f"not valid before {instruction.valid_from.isoformat()}"
    if instruction.valid_until is not None and now >= instruction.valid_until:
        return f"expired at {instruction.valid_until.isoformat()}"
    return ""


def _judge(
    selector: InstructionSelector,
    conversation: Conversation,
    live: Sequence[Instruction],
    *,
    request: FloatArray,
    embeddings: FloatArray,
    tools: LanguageTools,
) -> tuple[SelectedInstruction, ...]:
    """Ask the selector and hold it to its contract."""
    judged = selector.select(
        conversation, live, request=request, embeddings=embeddings, tools=tools
    )
    if len(judged) != len(live) or {e.instruction.id for e in judged} != {e.id for e in live}:
        raise PluginError(
            f"selector {selector.name!r} judged {len(judged)} instructions, "
            f"expected each of the {len(live)} given, once"
        )
    for each in judged:
        if not 0.0 <= each.probability <= 1.0:  # NaN neither
            raise PluginError(
                f"selector {selector.name!r} gave {each.instruction.id!r} the probability "
                f"{each.probability!r}, expected 0 to 1"
            )
    return tuple(sorted(judged, key=lambda each: -each.probability))


def _decisions(
    judged: Sequence[SelectedInstruction], rendering: Rendering, budget: int
) -> list[SelectedInstruction]:
    """Return the selector's judgements as the budget left them, placed ones first."""
    by_id = {each.instruction.id: each for each in judged}
    placed = dict.fromkeys(each.id for each in rendering.placed)
    crowded = {each.id for each in rendering.left_out}
    rest = [
        SelectedInstruction(
            each.instruction, each.probability, False, f"{each.reason}; no room in {budget} tokens"
        )
        if each.instruction.id in crowded
        else each
        for each in judged
        if each.instruction.id not in placed
    ]
    return [*(by_id[each] for each in placed), *rest]


def _left_out(instruction: Instruction, reason: str) -> SelectedInstruction:
    return SelectedInstruction(instruction, probability=0.0, used=False, reason=reason)

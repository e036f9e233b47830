"""Places the chosen instructions beside the last user turn, where models heed them most.

A reminder beside the question is what made models follow preferences in PrefEval (Zhao et al.,
ICLR 2025): GPT-4o went from 0.07 to 0.98 after ten turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from persona_engine.errors import InvalidInputError
from persona_engine.instructions.escape import escape_text
from persona_engine.instructions.outrank import PRECEDENCE
from persona_engine.types import Conversation, Instruction, Message

CountTokens = Callable[[str], int]
OPENING = "<standing_instructions>"
CLOSING = "</standing_instructions>"
_INTRODUCTION = "Keep to these in your reply:"


@dataclass(frozen=True, slots=True)
class Rendering:
    """A conversation with instructions placed.

    Args:
        messages: The conversation; the very same message objects wherever nothing was added.
        placed: The instructions in the block, in its order.
        left_out: Those that found no place.
        reason: Why these, in words.
        tokens: Length of the block; 0 without one.
    """

    messages: tuple[Message, ...]
    placed: tuple[Instruction, ...]
    left_out: tuple[Instruction, ...]
    reason: str
    tokens: int = 0


def render_instructions(
    conversation: Conversation,
    instructions: Sequence[Instruction],
    *,
    budget: int,
    count_tokens: CountTokens,
) -> Rendering:
    """Append one delimited block to the last user message, after a blank line.

    What must hold and constraints come first; of each, what the operator said before what the user
    said before what was induced; among equals the order given stays. When not all fit, later ones
    give way. The arguments are never changed, and a conversation that already ends in this very
    block stays as it is.

    Args:
        conversation: OpenAI-style messages.
        instructions: Those that apply now, most probable first.
        budget: Most tokens that the block may take.
        count_tokens: Length of a text in the model's tokens.

    Raises:
        InvalidInputError: The budget is negative.

    Examples:
        >>> from datetime import UTC, datetime
        >>> wish = Instruction("1", "Answer in British English.", datetime(2026, 1, 1, tzinfo=UTC))
        >>> turn = Message(role="user", content="Plan my weekend")
        >>> words = lambda text: len(text.split())
        >>> done = render_instructions([turn], [wish], budget=50, count_tokens=words)
        >>> print(done.messages[-1]["content"])
        Plan my weekend
        <BLANKLINE>
        <standing_instructions>
        Keep to these in your reply:
        - Answer in British English.
        </standing_instructions>
    """
    if budget < 0:
        raise InvalidInputError(f"budget is {budget!r}, expected at least 0 tokens")
    ordered = sorted(instructions, key=_precedence)
    turn = last_user_turn(conversation)
    if not ordered or turn is None:
        reason = "no instruction applies" if not ordered else "there is no user turn to place it at"
        return Rendering(tuple(conversation), (), tuple(ordered), reason)
    lines = {each.id: _line(each) for each in ordered}
    kept = _fit(lines, budget, count_tokens)
    placed = tuple(each for each in ordered if each.id in kept)
    left_out = tuple(each for each in ordered if each.id not in kept)
    if not placed:
        reason = f"no instruction fits into {budget} tokens"
        return Rendering(tuple(conversation), (), left_out, reason)
    block = _block(lines[each] for each in kept)
    reason = f"{len(placed)} of {len(ordered)} placed beside the last user turn"
    messages = _append(conversation, turn, block)
    return Rendering(messages, placed, left_out, reason, count_tokens(block))


def last_user_turn(conversation: Conversation) -> int | None:
    """Return the position of the last user message, or None without one."""
    for position in range(len(conversation) - 1, -1, -1):
        if conversation[position]["role"] == "user":
            return position
    return None


def _precedence(instruction: Instruction) -> tuple[bool, int, bool]:
    constrains = instruction.strength == "must" or instruction.kind == "constraint"
    return not constrains, PRECEDENCE.index(instruction.source), instruction.strength != "must"


def _fit(lines: Mapping[str, str], budget: int, count_tokens: CountTokens) -> list[str]:
    """Return the ids of those that fit, passing over a long one in favour of shorter ones."""
    chosen: list[str] = []
    used = count_tokens(_block(()))
    for each, line in lines.items():
        length = count_tokens("\n" + line)
        if used + length <= budget:
            chosen.append(each)
            used += length
    # Lengths of parts need not add up to that of the whole.
    while chosen and count_tokens(_block(lines[each] for each in chosen)) > budget:
        chosen.pop()
    return chosen


def _block(lines: Iterable[str]) -> str:
    return "\n".join([OPENING, _INTRODUCTION, *lines, CLOSING])


def _line(instruction: Instruction) -> str:
    label = "Must: " if instruction.strength == "must" else ""
    if instruction.source == "induced":
        label = "Perhaps: "
    scope = escape_text(instruction.scope)
    return f"- {label}{escape_text(instruction.text)}" + (f" (Scope: {scope})" if scope else "")


def _append(conversation: Conversation, turn: int, block: str) -> tuple[Message, ...]:
    messages = list(conversation)
    content = messages[turn]["content"]
    if content == block or content.endswith("\n\n" + block):
        return tuple(messages)
    changed = messages[turn].copy()
    changed["content"] = f"{content}\n\n{block}" if content else block
    messages[turn] = changed
    return tuple(messages)

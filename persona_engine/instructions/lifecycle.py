"""What becomes of instructions with time, and how a change is undone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from persona_engine.errors import ConflictError, NotFoundError
from persona_engine.instructions.validate import validate_instruction
from persona_engine.types import Instruction, InstructionStatus

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
Changes = dict[str, tuple[InstructionStatus, str | None]]


def operator_rule(text: str) -> Instruction:
    """Return an operator's rule for everybody, which the settings hold and no user's rows.

    Raises:
        InvalidInputError: The text cannot be an instruction.

    Examples:
        >>> rule = operator_rule("Never promise a refund.")
        >>> rule.source, rule.strength, rule.status
        ('operator', 'must', 'active')
    """
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    return validate_instruction(
        Instruction(f"operator-{name}", text, _ALWAYS, strength="must", source="operator")
    )


def as_of(instructions: Sequence[Instruction], now: datetime) -> tuple[Instruction, ...]:
    """Return instructions as they are now: active ones whose time has passed are expired."""
    return tuple(
        replace(each, status="expired")
        if each.status == "active" and each.valid_until is not None and now >= each.valid_until
        else each
        for each in instructions
    )


def undoing(instruction_id: str, instructions: Sequence[Instruction]) -> Changes:
    """Return the changes of status that undo what last happened to an instruction.

    Args:
        instruction_id: Which.
        instructions: Every instruction of the user.

    Raises:
        NotFoundError: There is no such instruction.
        ConflictError: It was superseded, so that its successor is to be undone.

    Examples:
        >>> from datetime import UTC, datetime
        >>> said = datetime(2026, 1, 1, tzinfo=UTC)
        >>> old = Instruction("1", "Be brief.", said, status="superseded", superseded_by="2")
        >>> undoing("2", [old, Instruction("2", "Be long.", said, supersedes="1")])
        {'2': ('retracted', None), '1': ('active', None)}
    """
    found = {each.id: each for each in instructions}.get(instruction_id)
    if found is None:
        raise NotFoundError(
            f"no instruction {instruction_id!r} for this user",
            remedy="list the user's instructions for their ids",
        )
    if found.status == "superseded":
        raise ConflictError(
            f"instruction {instruction_id!r} was superseded, expected the one that stands now",
            remedy=f"undo {found.superseded_by!r}, which took its place",
        )
    if found.status == "retracted":
        back: Changes = {instruction_id: ("active", None)}
        if any(each.id == found.supersedes and each.status == "active" for each in instructions):
            back[str(found.supersedes)] = ("superseded", instruction_id)
        return back
    before = [each.id for each in instructions if each.superseded_by == instruction_id]
    return {instruction_id: ("retracted", None), **dict.fromkeys(before, ("active", None))}

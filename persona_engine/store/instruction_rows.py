"""Instructions as rows, and what may stand in one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

from persona_engine.errors import InvalidInputError
from persona_engine.store.clock import from_micros, to_micros
from persona_engine.store.schema import instruction as table
from persona_engine.store.validate import check_name, check_number, check_text
from persona_engine.types import (
    Instruction,
    InstructionKind,
    InstructionSource,
    InstructionStatus,
    Scope,
    Strength,
)

LONGEST_LANGUAGE = 35  # BCP 47 recommends that much room for a code
COLUMNS = (
    table.c.id,
    table.c.text,
    table.c.created_at,
    table.c.kind,
    table.c.strength,
    table.c.scope,
    table.c.source,
    table.c.trust,
    table.c.status,
    table.c.valid_from,
    table.c.valid_until,
    table.c.supersedes,
    table.c.superseded_by,
    table.c.language,
    table.c.rests_on,
)


def check_instruction(instruction: Instruction) -> None:
    """Raise `InvalidInputError` unless every field can be stored."""
    check_name("instruction id", instruction.id)
    check_text("instruction text", instruction.text)
    check_text("instruction scope", instruction.scope)
    check_number("trust", instruction.trust, low=0.0, high=1.0)
    check_choice("kind", instruction.kind, InstructionKind)
    check_choice("strength", instruction.strength, Strength)
    check_choice("source", instruction.source, InstructionSource)
    check_choice("status", instruction.status, InstructionStatus)
    for name in ("supersedes", "superseded_by"):
        if getattr(instruction, name) is not None:
            check_name(name, getattr(instruction, name))
    check_text("language", instruction.language)
    if len(instruction.language) > LONGEST_LANGUAGE:
        raise InvalidInputError(
            f"language is {instruction.language!r}, expected a BCP 47 code such as 'en-GB'"
        )
    for each in instruction.rests_on:
        check_name("rests_on", each)
    for moment in (instruction.created_at, instruction.valid_from, instruction.valid_until):
        if moment is not None:
            to_micros(moment)


def row_of(scope: Scope, instruction: Instruction) -> dict[str, Any]:
    """Return the row of an instruction."""
    return {
        "tenant": scope.tenant,
        "user": scope.user,
        "id": instruction.id,
        "created_at": to_micros(instruction.created_at),
        "kind": instruction.kind,
        "strength": instruction.strength,
        "source": instruction.source,
        "trust": float(instruction.trust),
        "status": instruction.status,
        "valid_from": _micros(instruction.valid_from),
        "valid_until": _micros(instruction.valid_until),
        "supersedes": instruction.supersedes,
        "superseded_by": instruction.superseded_by,
        "language": instruction.language,
        "rests_on": json.dumps(instruction.rests_on),
        "scope": instruction.scope,
        "text": instruction.text,
    }


def instruction_of(row: Sequence[Any]) -> Instruction:
    """Return the instruction of a row of `COLUMNS`, which are in the order of its fields."""
    id_, text, said_at, kind, strength, scope, source, trust, status, *rest = row
    valid_from, valid_until, supersedes, superseded_by, language, rests_on = rest
    return Instruction(  # by position, which is a fifth faster
        id_,
        text,
        from_micros(said_at),
        kind,
        strength,
        scope,
        source,
        trust,
        status,
        None if valid_from is None else from_micros(valid_from),
        None if valid_until is None else from_micros(valid_until),
        supersedes,
        superseded_by,
        language,
        () if rests_on == "[]" else tuple(json.loads(rests_on)),
    )


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def check_choice(what: str, value: object, choices: object) -> None:
    """Raise `InvalidInputError` unless a value is one of a Literal's."""
    if value not in get_args(choices):
        raise InvalidInputError(f"{what} is {value!r}, expected one of {get_args(choices)}")

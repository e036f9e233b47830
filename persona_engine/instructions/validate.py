"""What may be stored as a standing instruction."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import replace
from datetime import datetime

from persona_engine.errors import InvalidInputError
from persona_engine.types import Instruction

LONGEST_TEXT = 2_000
LONGEST_SCOPE = 200
_ALLOWED_CONTROLS = "\n\t"


def validate_instruction(instruction: Instruction) -> Instruction:
    """Return the instruction with its texts as they are to be stored.

    Raises:
        InvalidInputError: Text or scope cannot be used, trust is not 0 to 1, a time carries no
            time zone, or the time of validity is empty.
    """
    if not 0.0 <= instruction.trust <= 1.0 or math.isnan(instruction.trust):
        raise InvalidInputError(f"trust is {instruction.trust!r}, expected 0 to 1")
    for name in ("created_at", "valid_from", "valid_until"):
        _check_time(name, getattr(instruction, name))
    start, end = instruction.valid_from, instruction.valid_until
    if start is not None and end is not None and start >= end:
        raise InvalidInputError(
            f"valid_until is {end.isoformat()}, expected later than valid_from {start.isoformat()}"
        )
    scope = instruction.scope
    if scope != "":
        scope = validate_text(scope, name="scope", longest=LONGEST_SCOPE)
    return replace(instruction, text=validate_text(instruction.text), scope=scope)


def validate_text(text: str, *, name: str = "instruction", longest: int = LONGEST_TEXT) -> str:
    r"""Return a person's words, trimmed and with newlines as ``\n``.

    Raises:
        InvalidInputError: It is not text, is blank, is longer than ``longest`` characters, or has
            control characters or lone surrogates.

    Examples:
        >>> validate_text("  Answer in British English.\r\n")
        'Answer in British English.'
    """
    if not isinstance(text, str):
        raise InvalidInputError(f"{name} is a {type(text).__name__}, expected text")
    cleaned = text.replace("\r\n", "\n").strip()
    for position, character in enumerate(cleaned):
        _check_character(character, position, name)
    if not any(_is_visible(character) for character in cleaned):
        raise InvalidInputError(f"{name} is blank, expected 1 to {longest:,} characters")
    if len(cleaned) > longest:
        raise InvalidInputError(
            f"{name} has {len(cleaned):,} characters, expected at most {longest:,}",
            remedy="say it shorter, or in several instructions",
        )
    return cleaned


def _is_visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) != "Cf"


def _check_character(character: str, position: int, name: str) -> None:
    category = unicodedata.category(character)
    if category == "Cs":
        raise InvalidInputError(
            f"{name} holds a lone surrogate at position {position}, expected valid Unicode"
        )
    if category == "Cc" and character not in _ALLOWED_CONTROLS:
        raise InvalidInputError(
            f"{name} holds the control character U+{ord(character):04X} at position {position}, "
            "expected text; newline and tab are fine"
        )


def _check_time(name: str, value: datetime | None) -> None:
    if value is not None and not isinstance(value, datetime):
        raise InvalidInputError(f"{name} is {value!r}, expected a datetime with a time zone")
    if value is not None and value.utcoffset() is None:
        raise InvalidInputError(
            f"{name} is {value.isoformat()} without a time zone, expected one",
            remedy="pass datetime(..., tzinfo=timezone.utc)",
        )

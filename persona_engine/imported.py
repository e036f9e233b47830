"""Comparisons that a host imports, row by row."""

from __future__ import annotations

from collections.abc import Mapping

from persona_engine.errors import InvalidInputError
from persona_engine.learning import check_new
from persona_engine.store import NewComparison


def checked_row(row: object, number: int) -> tuple[str, NewComparison]:
    """Return whose comparison a row is, and the comparison.

    Args:
        row: A mapping with ``user``, ``prompt``, ``chosen``, ``rejected`` and, if need be,
            ``weight`` and ``tie``.
        number: Of the row, for messages.

    Raises:
        InvalidInputError: It lacks a field or holds a value that cannot be used.
    """
    if not isinstance(row, Mapping):
        raise InvalidInputError(f"row {number} is {ascii(row)[:80]}, expected a mapping")
    try:
        user, prompt = row["user"], row["prompt"]
        new = NewComparison(
            prompt,
            row["chosen"],
            row["rejected"],
            weight=row.get("weight", 1.0),
            source="import",
            tie=row.get("tie", False),
        )
        check_new(new)
    except KeyError as error:
        raise InvalidInputError(
            f"row {number} lacks {error}, expected user, prompt, chosen and rejected"
        ) from None
    except InvalidInputError as error:
        raise InvalidInputError(f"row {number}: {error.message}", remedy=error.remedy) from None
    return user, new

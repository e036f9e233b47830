"""Comparisons that a host imports, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from persona_engine.errors import InvalidInputError, ScopeError
from persona_engine.interfaces import Progress
from persona_engine.learning import Learner, check_new
from persona_engine.store import NewComparison
from persona_engine.types import Scope


def import_rows(
    learner: Learner, tenant: str, rows: Iterable[Mapping[str, Any]], *, progress: Progress
) -> int:
    """Record comparisons of many users, once every row is checked; return their number.

    Raises:
        InvalidInputError: A row lacks a field or holds a value that cannot be used.
        ScopeError: A row's user is no name.
    """
    by_user: dict[str, list[NewComparison]] = {}
    total = 0
    for total, row in enumerate(rows, start=1):
        user, new = checked_row(row, total)
        try:
            learner.store.user(Scope(tenant, user))
        except ScopeError as error:
            raise ScopeError(f"row {total}: {error.message}", remedy=error.remedy) from None
        by_user.setdefault(user, []).append(new)
    done = 0
    for user, new_events in by_user.items():
        learner.keep(Scope(tenant, user), new_events)
        done += len(new_events)
        progress("importing", done, total)
    return total


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

"""Checks of single fields of a row; each names the file, the line and the value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from persona_engine.errors import InvalidInputError
from persona_engine.features import check_response


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file.

    Args:
        where: File and line.
        values: What stands there.
        example: A line as it should be.
    """

    where: str
    values: Mapping[str, Any]
    example: str

    def wrong(self, name: str, expected: str) -> InvalidInputError:
        """Return the error about one field."""
        if name not in self.values:
            what = f"{self.where} lacks {name!r}"
        else:
            what = f"{self.where}: {name} is {_short(self.values[name])}"
        return InvalidInputError(
            f"{what}, expected {expected}", remedy=f"a line looks like {self.example}"
        )

    def name_of(self, name: str) -> str:
        """Return an identifier: a text that is not blank, or a whole number."""
        value = self.values.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str) and value.strip():
            return value
        raise self.wrong(name, "a name or number")

    def optional_name(self, name: str) -> str | None:
        """Return an identifier, or None where the row has none."""
        return None if self.values.get(name) is None else self.name_of(name)

    def text(self, name: str) -> str:
        """Return a text that can be encoded."""
        value = self.values.get(name)
        if not isinstance(value, str):
            raise self.wrong(name, "a text")
        try:
            check_response(value)
        except InvalidInputError as error:
            raise self.wrong(name, f"text that can be encoded ({error.message})") from error
        return value

    def prompt(self) -> str:
        """Return the prompt; blank or absent ones are empty."""
        value = self.values.get("prompt")
        if value is None or (isinstance(value, str) and not value.strip()):
            return ""
        return self.text("prompt")

    def weight(self) -> float:
        """Return the strength of a comparison, 1 where the row has none."""
        value = self.values.get("weight", 1.0)
        if not _is_number(value) or value < 0:
            raise self.wrong("weight", "a number from 0 up")
        return float(value)

    def flag(self, name: str) -> bool:
        """Return a truth value, false where the row has none."""
        value = self.values.get(name, False)
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def time(self, name: str) -> float:
        """Return when something happened, infinity where the row does not say."""
        value = self.values.get(name)
        if value is None:
            return math.inf
        if _is_number(value):
            return float(value)
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                raise self.wrong(name, "a number or a time in ISO 8601") from None
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        raise self.wrong(name, "a number or a time in ISO 8601")

    def one_of(self, name: str, *allowed: object) -> Any:  # noqa: ANN401  # one of the values
        """Return a value of a small set."""
        value = self.values.get(name)
        if isinstance(value, bool) or value not in allowed:
            raise self.wrong(name, " or ".join(map(repr, allowed)))
        return value


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond what floats hold
        return False


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}…"

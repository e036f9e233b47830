"""Checks of what comes in, made before anything is written."""

from __future__ import annotations

import json
import math
import re

from persona_engine.errors import InvalidInputError, ScopeError
from persona_engine.store.schema import NAME_LENGTH
from persona_engine.types import Scope

MAX_TEXT = 10_000_000
"""Longest text, in characters."""

_JSON_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # an escape, not an escaped backslash and u0000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def check_scope(scope: Scope) -> None:
    """Raise `ScopeError` unless tenant and user are names.

    Examples:
        >>> check_scope(Scope("default", "alice"))
        >>> check_scope(Scope("default", ""))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        persona_engine.errors.ScopeError: user is '', expected a name of 1 to 256 characters...
    """
    check_scope_name("tenant", scope.tenant)
    check_scope_name("user", scope.user)


def check_scope_name(what: str, value: object) -> None:
    """Raise `ScopeError` unless a tenant's or user's name can be a key."""
    fault = _name_fault(value)
    if fault is not None:
        raise ScopeError(
            f"{what} is {_shown(value)}, expected {fault}",
            remedy=f"pass the {what}'s stable id in your product",
        )


def check_name(what: str, value: object) -> None:
    """Raise `InvalidInputError` unless an id or key can be a key in SQL."""
    fault = _name_fault(value)
    if fault is not None:
        raise InvalidInputError(f"{what} is {_shown(value)}, expected {fault}")


def check_text(what: str, value: object) -> None:
    """Raise `InvalidInputError` unless SQL can hold the text and give it back unchanged."""
    if not isinstance(value, str):
        raise InvalidInputError(f"{what} is {_shown(value)}, expected text")
    if len(value) > MAX_TEXT:
        raise InvalidInputError(
            f"{what} has {len(value):,} characters, expected at most {MAX_TEXT:,}",
            remedy="shorten the text",
        )
    if "\0" in value:
        raise InvalidInputError(
            f"{what} contains the NUL character, which SQL cannot hold",
            remedy="remove the character U+0000",
        )
    if not value.isascii():
        _check_surrogates(what, value)


def check_number(what: str, value: object, *, low: float, high: float) -> None:
    """Raise `InvalidInputError` unless ``value`` is a finite number from ``low`` to ``high``."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type, operator]
        raise InvalidInputError(
            f"{what} is {_shown(value)}, expected a finite number from {low:g} to {high:g}"
        )


def check_json(what: str, value: object) -> None:
    """Raise `InvalidInputError` unless ``value`` is JSON that both databases hold."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"{what} is not JSON: {error}", remedy="use text, finite numbers, lists and mappings"
        ) from error
    if _JSON_NUL.search(text):
        raise InvalidInputError(f"{what} contains the NUL character, which SQL cannot hold")
    _check_surrogates(what, text)


def _check_surrogates(what: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"{what} has half a surrogate pair at character {error.start}, expected valid Unicode",
            remedy='decode the bytes with errors="replace"',
        ) from error


def _name_fault(value: object) -> str | None:
    if not isinstance(value, str) or not 1 <= len(value) <= NAME_LENGTH or not value.strip():
        return f"a name of 1 to {NAME_LENGTH} characters"
    if _CONTROL.search(value):
        return "a name without control characters"
    return None


def _shown(value: object) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."

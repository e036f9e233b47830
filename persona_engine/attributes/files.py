"""A host's own attributes, from a file of labelled pairs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.onboarding import Attribute
from persona_engine.store import check_text
from persona_engine.types import Question

_FIELDS = ("attribute", "high", "low")


def read_attributes(path: Path) -> tuple[Attribute, ...]:
    """Return the attributes of a host: labelled pairs, one JSON object a line.

    Each line has ``attribute``, ``high`` and ``low``, two replies that differ in the attribute,
    and, if need be, ``prompt``. The low pole is called "not" and the attribute's name,
    by which a language model is asked for it, too.

    Raises:
        ConfigError: The file cannot be read, or a line holds no such pair; its number is named.
    """
    pairs: dict[str, list[Question]] = {}
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            pair = _read_pair(path, number, line, pairs)
            pairs.setdefault(str(pair.style), []).append(pair)
    return tuple(
        Attribute(
            name,
            f"not {name}",
            name,
            tuple(questions),
            low_wish=f"Do not write in this style: {_said(name)}.",
            high_wish=f"Write in this style: {_said(name)}.",
        )
        for name, questions in pairs.items()
    )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read attributes from {str(path)!r}: {error}",
            remedy="pass the path of a UTF-8 file with one JSON object a line",
        ) from error


def _read_pair(
    path: Path, number: int, line: str, before: Mapping[str, Sequence[Question]]
) -> Question:
    where = f"{path}, line {number}"
    try:
        row: Any = json.loads(line)
        if not isinstance(row, dict) or not set(_FIELDS) <= set(row) <= {*_FIELDS, "prompt"}:
            raise InvalidInputError("expected attribute, high, low and, if need be, prompt")
        for field in (*_FIELDS, "prompt"):
            check_text(field, row.get(field, ""))
            if field != "prompt" and not row[field].strip():
                raise InvalidInputError(f"{field} is blank")
    except (ValueError, InvalidInputError) as error:
        raise ConfigError(
            f"{where}: {error}",
            remedy='write lines such as {"attribute": "pirate", "high": "Arr, aye", "low": "Yes"}',
        ) from error
    name = plain_word(row["attribute"])
    place = len(before.get(name, ())) + 1
    return Question(
        f"{name}-{place:02}", row.get("prompt", ""), row["high"], row["low"], style=name, high="a"
    )


def _said(name: str) -> str:
    return name.replace("_", " ")


def plain_word(word: str) -> str:
    """Return a word as Python can name it.

    Examples:
        >>> plain_word("Told as a story")
        'told_as_a_story'
    """
    return re.sub(r"\W+", "_", word.casefold()).strip("_")

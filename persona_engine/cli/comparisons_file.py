"""Reading comparisons from JSON lines: every line is checked before anything is imported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from persona_engine.errors import InvalidInputError
from persona_engine.jsonlines import decoded, iter_objects, readable

_TEXTS = ("user", "prompt", "chosen", "rejected")
_EXAMPLE = '{"user": "alice", "prompt": "…", "chosen": "…", "rejected": "…", "weight": 1.0}'


def is_comparisons_file(path: Path) -> bool:
    """Return whether a file is named as JSON lines.

    Examples:
        >>> is_comparisons_file(Path("pairs.jsonl.gz")), is_comparisons_file(Path("alice.json"))
        (True, False)
    """
    return path.name.endswith((".jsonl", ".jsonl.gz"))


def read_comparisons(path: Path) -> list[dict[str, Any]]:
    """Return the comparisons of a file, one JSON object a line; blank lines are passed over.

    Raises:
        InvalidInputError: The file cannot be read, or a line is not UTF-8, not JSON, or lacks a
            field; the message names the line.
    """
    rows = [_row(item, where) for where, item in iter_objects(path, example=_EXAMPLE)]
    if not rows:
        raise InvalidInputError(f"{path} holds no comparison", remedy=f"one a line: {_EXAMPLE}")
    return rows


def read_document(path: Path) -> Mapping[str, Any]:
    """Return the JSON object in a file.

    Raises:
        InvalidInputError: The file cannot be read or is not one JSON object in UTF-8.
    """
    with readable(path):
        document = decoded(path.read_bytes(), str(path))
    if not isinstance(document, dict):
        raise InvalidInputError(
            f"{path} holds a JSON {type(document).__name__}, expected an object",
            remedy="pass what `persona export` wrote; comparisons go in a file named .jsonl",
        )
    return document


def _row(item: Mapping[str, Any], where: str) -> dict[str, Any]:
    for name in _TEXTS:
        if name not in item:
            raise InvalidInputError(f"{where} lacks {name!r}", remedy=f"for example {_EXAMPLE}")
        if not isinstance(item[name], str):
            raise InvalidInputError(f"{where}: {name} is {item[name]!r}, expected a text")
    weight = item.get("weight", 1.0)
    is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not is_number or not math.isfinite(weight) or weight < 0:
        raise InvalidInputError(f"{where}: weight is {weight!r}, expected a number from 0 up")
    tie = item.get("tie", False)
    if not isinstance(tie, bool):
        raise InvalidInputError(f"{where}: tie is {tie!r}, expected true or false")
    return {**{name: item[name] for name in _TEXTS}, "weight": float(weight), "tie": tie}

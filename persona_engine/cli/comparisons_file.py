"""Reading comparisons from JSON lines: every line is checked before anything is imported."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from persona_engine.errors import InvalidInputError

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
    rows = []
    unpack = gzip.open if path.suffix == ".gz" else Path.open
    with _readable(path), unpack(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                rows.append(_row(line, f"{path}, line {number}"))
    if not rows:
        raise InvalidInputError(f"{path} holds no comparison", remedy=f"one a line: {_EXAMPLE}")
    return rows


def read_document(path: Path) -> Mapping[str, Any]:
    """Return the JSON object in a file.

    Raises:
        InvalidInputError: The file cannot be read or is not one JSON object in UTF-8.
    """
    with _readable(path):
        document = _decoded(path.read_bytes(), str(path))
    if not isinstance(document, dict):
        raise InvalidInputError(
            f"{path} holds a JSON {type(document).__name__}, expected an object",
            remedy="pass what `persona export` wrote; comparisons go in a file named .jsonl",
        )
    return document


def _row(line: bytes, where: str) -> dict[str, Any]:
    item = _decoded(line, where)
    if not isinstance(item, dict):
        raise InvalidInputError(f"{where} is no JSON object", remedy=f"for example {_EXAMPLE}")
    for name in _TEXTS:
        if name not in item:
            raise InvalidInputError(f"{where} lacks {name!r}", remedy=f"for example {_EXAMPLE}")
        if not isinstance(item[name], str):
            raise InvalidInputError(f"{where}: {name} is {item[name]!r}, expected a text")
    weight = item.get("weight", 1.0)
    is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not is_number or not math.isfinite(weight) or weight < 0:
        raise InvalidInputError(f"{where}: weight is {weight!r}, expected a number from 0 up")
    return {**{name: item[name] for name in _TEXTS}, "weight": float(weight)}


def _decoded(data: bytes, where: str) -> object:
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{where} is not UTF-8: byte {data[error.start]:#04x} at position {error.start}",
            remedy="save the file as UTF-8",
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{where} is not JSON: {error}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InvalidInputError(f"{path} cannot be read: {reason}") from error

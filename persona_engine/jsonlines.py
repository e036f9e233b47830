"""Files of one JSON object a line, plain or gzipped: whatever is wrong is named with its line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from persona_engine.errors import InvalidInputError


def iter_objects(path: Path, *, example: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where each object stands, such as ``FILE, line 3``, and the object; skip blank lines.

    Args:
        path: A file of JSON lines in UTF-8; gzipped when its name ends in ``.gz``.
        example: A line as it should be, for the remedies.

    Raises:
        InvalidInputError: The file cannot be read, or a line is not UTF-8, not JSON or no object.
    """
    unpack = gzip.open if path.suffix == ".gz" else Path.open
    with readable(path), unpack(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                where = f"{path}, line {number}"
                item = decoded(line, where)
                if not isinstance(item, dict):
                    raise InvalidInputError(
                        f"{where} is no JSON object", remedy=f"for example {example}"
                    )
                yield where, item


def decoded(data: bytes, where: str) -> object:
    """Return the JSON value in some bytes.

    Raises:
        InvalidInputError: They are not UTF-8 or not JSON, or hold a number that JSON does not know.
    """
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{where} is not UTF-8: byte {data[error.start]:#04x} at position {error.start}",
            remedy="save the file as UTF-8",
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{where} is not JSON: {error}") from error


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the operating system or gzip says about a file into an error of the engine.

    Raises:
        InvalidInputError: The file cannot be read.
    """
    try:
        yield
    except (OSError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InvalidInputError(f"{path} cannot be read: {reason}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")

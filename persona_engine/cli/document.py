"""Reading one JSON document from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from persona_engine.errors import InvalidInputError
from persona_engine.jsonlines import decoded, readable


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

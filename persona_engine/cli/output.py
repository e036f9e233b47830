"""What commands print: JSON documents on stdout, or words and tables for a person."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def stdout() -> Console:
    """Return the console of results."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False)


def stderr() -> Console:
    """Return the console of questions, progress and errors."""
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def print_json(value: object) -> None:
    """Print one JSON document on stdout; numbers that JSON cannot hold become null."""
    sys.stdout.write(json_line(value, ascii_only=not _speaks_unicode()) + "\n")
    sys.stdout.flush()


def json_line(value: object, *, ascii_only: bool = False) -> str:
    """Return a value as one line of JSON; numbers that JSON cannot hold become null."""
    return json.dumps(jsonable(value), ensure_ascii=ascii_only, allow_nan=False)


def jsonable(value: object) -> Any:  # noqa: ANN401  # whatever JSON may hold
    """Return a value as JSON holds it: dataclasses as objects, times in ISO 8601.

    Examples:
        >>> from persona_engine.types import Step
        >>> jsonable({"steps": (Step("decode", 12.5),), "spread": float("nan")})
        {'steps': [{'name': 'decode', 'milliseconds': 12.5}], 'spread': None}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {each.name: jsonable(getattr(value, each.name)) for each in fields}
    if isinstance(value, Mapping):
        return {str(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(each) for each in value]
    if isinstance(value, float):
        return value if value - value == 0.0 else None
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def printable(text: str) -> str:
    r"""Return a text without characters that would steer the terminal.

    Examples:
        >>> printable("red \x1b[31m alert\n")
        'red [31m alert\n'
    """
    return "".join(c for c in text if c in "\n\t" or not _steers(c))


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, width: int = 80
) -> None:
    """Print a table; cells are shown as they are, without markup.

    Args:
        title: Heading, or nothing.
        columns: Names.
        rows: Cells.
        width: Least width where the output is no terminal.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable("" if cell is None else str(cell))) for cell in row))
    console = stdout()
    if not console.is_terminal:
        console.width = max(console.width, width)
    console.print(table)


def words(text: str) -> int:
    """Return how many words a text has."""
    return len(text.split())


def _steers(character: str) -> bool:
    code = ord(character)
    return code < 32 or 127 <= code < 160 or code in _DIRECTION_MARKS


_DIRECTION_MARKS = frozenset((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
"""Marks that reorder the text around them on the screen."""


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"

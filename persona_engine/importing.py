"""Bulk import of comparisons from files: checked whole, written in short transactions, resumed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from persona_engine.errors import InvalidInputError, ScopeError
from persona_engine.imported import checked_row
from persona_engine.interfaces import Progress, no_progress
from persona_engine.jsonlines import readable
from persona_engine.store import ImportedComparison, Store
from persona_engine.tables import TableFormat, format_of, iter_rows
from persona_engine.types import Scope

_AT_ONCE = 5_000  # rows of one transaction: people are served between two of them
_TEXTS = ("user", "prompt", "chosen", "rejected")
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no", "")


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file.

    Args:
        rows: Comparisons in it.
        written: Those that were not stored already.
        users: How many users they are of.
    """

    rows: int
    written: int
    users: int


def import_file(
    store: Store, tenant: str, path: Path, *, kind: TableFormat | None, progress: Progress
) -> ImportReport:
    """Record a file's comparisons; see `PersonaEngine.import_file`."""
    found = format_of(path) if kind is None else kind
    if found is None:
        raise InvalidInputError(
            f"{path} is of no known format, expected .jsonl, .csv or .parquet",
            remedy="say which: format='jsonl', 'csv' or 'parquet'",
        )
    source = _Source(store, tenant, path, found, _digest(path))
    users: set[int] = set()
    total = 0
    for event in source.events("checking", progress):
        users.add(hash(event.user))
        total += 1
    if not total:
        raise InvalidInputError(f"{path} holds no comparison")
    written = _write(source, total, progress)
    return ImportReport(total, written, len(users))


@dataclass(frozen=True, slots=True)
class _Source:
    """A file of comparisons, and for whom it is read."""

    store: Store
    tenant: str
    path: Path
    kind: TableFormat
    digest: str

    def events(self, what: str, progress: Progress) -> Iterator[ImportedComparison]:
        """Yield the comparisons, checked."""
        rows = iter_rows(self.path, self.kind, what=what, progress=progress)
        for number, (where, row) in enumerate(rows, start=1):
            try:
                event = _event(row, number, self.digest, words_only=self.kind == "csv")
                self.store.user(Scope(self.tenant, event.user))
            except (InvalidInputError, ScopeError) as error:
                told = error.message.removeprefix(f"row {number}").removeprefix(": ").lstrip()
                raise type(error)(f"{where}: {told}", remedy=error.remedy) from None
            yield event


def _write(source: _Source, total: int, progress: Progress) -> int:
    """Write what is not stored yet; return how many comparisons that were."""
    rows = source.store.tenant(source.tenant)
    events = source.events("", no_progress)
    done = written = 0
    progress("importing", 0, total)
    while batch := list(islice(events, _AT_ONCE)):
        done += len(batch)
        if not rows.is_imported(batch[-1]):  # a transaction is written whole or not at all
            written += rows.import_comparisons(batch)
        progress("importing", done, total)
    return written


def _event(
    row: Mapping[str, Any], number: int, digest: str, *, words_only: bool
) -> ImportedComparison:
    values = dict(row)
    for name in _TEXTS:
        if name not in values:
            raise InvalidInputError(f"lacks {name!r}, expected {', '.join(_TEXTS)}")
        if not isinstance(values[name], str):
            raise InvalidInputError(f"{name} is {values[name]!r}, expected a text")
    if words_only:
        values |= {"weight": _number(values.get("weight", "1")), "tie": _truth(values.get("tie"))}
    user, new = checked_row(values, number)
    own = values.get("id")
    if own is not None and not (isinstance(own, (str, int)) and str(own).strip()):
        raise InvalidInputError(f"id is {own!r}, expected a text or a whole number")
    key = f"file\0{digest}\0{number}" if own is None else f"id\0{own}"
    made = values.get("time")
    return ImportedComparison(user, new, key, None if made is None else _moment(made))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInputError(f"weight is {text!r}, expected a number from 0 up") from None


def _truth(text: str | None) -> bool:
    if text is None or text.lower() in _FALSE:
        return False
    if text.lower() not in _TRUE:
        raise InvalidInputError(f"tie is {text!r}, expected true or false")
    return True


def _moment(value: object) -> datetime:
    """Return the time that seconds since 1970, or ISO 8601, tell."""
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
            told = datetime.fromisoformat(value)
        elif isinstance(value, datetime):
            told = value
        else:
            seconds = float(value)  # type: ignore[arg-type]  # what is none is told below
            told = datetime.fromtimestamp(seconds if math.isfinite(seconds) else 1e99, UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        raise InvalidInputError(
            f"time is {value!r}, expected seconds since 1970 or a date and time in ISO 8601"
        ) from None
    return told if told.tzinfo is not None else told.replace(tzinfo=UTC)


def _digest(path: Path) -> str:
    with readable(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

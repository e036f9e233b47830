"""Files of rows, read one after the other: JSON lines, CSV and Parquet, in bounded memory."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, Any, Literal, get_args

from persona_engine.errors import InvalidInputError, MissingExtraError
from persona_engine.interfaces import Progress
from persona_engine.jsonlines import decoded, readable

TableFormat = Literal["jsonl", "csv", "parquet"]
Row = tuple[str, Mapping[str, Any]]
"""Where a row stands, such as ``FILE, line 3``, and its fields by name."""

_ENDINGS: Mapping[str, TableFormat] = {
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".parquet": "parquet",
}
_TOLD_EVERY = 10_000
_ROWS_AT_ONCE = 4_096
_LONGEST_FIELD = 16_000_000


def format_of(path: Path) -> TableFormat | None:
    """Return the format that a file's name tells, or None.

    Examples:
        >>> format_of(Path("a.csv.gz")), format_of(Path("a.parquet")), format_of(Path("a.json"))
        ('csv', 'parquet', None)
    """
    return next((kind for end, kind in _ENDINGS.items() if path.name.endswith(end)), None)


def iter_rows(path: Path, kind: TableFormat, *, what: str, progress: Progress) -> Iterator[Row]:
    """Yield a file's rows; blank lines are passed over.

    Args:
        path: The file.
        kind: Its format.
        what: What reading it is called, for progress: in bytes, of Parquet in rows.
        progress: Told now and then.

    Raises:
        InvalidInputError: The file cannot be read, or a row is not what the format asks for.
        MissingExtraError: It is Parquet, and pyarrow is not installed.
    """
    if kind not in get_args(TableFormat):
        raise InvalidInputError(f"format is {kind!r}, expected one of {get_args(TableFormat)}")
    if kind == "parquet":
        yield from _parquet(path, what, progress)
        return
    with readable(path), path.open("rb") as raw, ExitStack() as stack:
        size = max(1, path.stat().st_size)
        plain: Any = stack.enter_context(gzip.open(raw)) if path.suffix == ".gz" else raw
        for number, row in enumerate(_JSONL_OR_CSV[kind](plain, path)):
            if number % _TOLD_EVERY == 0:
                progress(what, min(raw.tell(), size - 1), size)
            yield row
        progress(what, size, size)


def _json_lines(file: IO[bytes], path: Path) -> Iterator[Row]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            where = f"{path}, line {number}"
            item = decoded(line, where)
            if not isinstance(item, dict):
                raise InvalidInputError(f"{where} is no JSON object")
            yield where, item


def _csv(file: IO[bytes], path: Path) -> Iterator[Row]:
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            rows = csv.DictReader(text, strict=True)
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                if None in row or None in row.values():
                    raise InvalidInputError(
                        f"{where} has another number of fields than the header",
                        remedy="put fields that hold commas or line breaks between double quotes",
                    )
                yield where, {name: each for name, each in row.items() if each or name in _TEXTS}
    except (csv.Error, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} is no CSV in UTF-8: {error}") from error
    finally:
        csv.field_size_limit(before)


_TEXTS = ("user", "prompt", "chosen", "rejected")  # of which an empty one is a value
_JSONL_OR_CSV = {"jsonl": _json_lines, "csv": _csv}


def _parquet(path: Path, what: str, progress: Progress) -> Iterator[Row]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise MissingExtraError(
            f"{path} is Parquet, which needs pyarrow, which is not installed",
            remedy="pip install 'persona-engine[parquet]', or write it as CSV or JSON lines",
        ) from error
    try:
        with readable(path), closing(ParquetFile(path, memory_map=False)) as file:
            total, done = file.metadata.num_rows, 0
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
                progress(what, done, total)
                for row in batch.to_pylist():
                    done += 1
                    present = {name: value for name, value in row.items() if value is not None}
                    yield f"{path}, row {done}", present
            progress(what, total, total)
    except ArrowException as error:
        raise InvalidInputError(f"{path} cannot be read as Parquet: {error}") from error

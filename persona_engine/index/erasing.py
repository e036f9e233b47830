"""Takes somebody out of an index file where they lie, without writing the file anew."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from persona_engine.errors import ArtefactError
from persona_engine.index import files
from persona_engine.index.backends import Backend, Hole
from persona_engine.index.files import IndexFile
from persona_engine.index.places import NUMBER
from persona_engine.index.snapshot import read_snapshot

_MOST_ERASED = 0.05  # of the vectors; a file with more holes is built anew


def erase_keys(path: Path, doomed: Collection[str], backend: Backend) -> int:
    """Erase keys and vectors, and return how many there were. Call it under the lock.

    A file that cannot be read, that the backend cannot find its way in, or that is full of holes,
    is deleted: it is built again when somebody searches.
    """
    files.sweep(path)
    try:
        file = files.open_keys(path)
    except FileNotFoundError:
        return 0
    except ArtefactError:
        files.delete(path)
        return 0
    rows = sorted(row for key in doomed if (row := file.keys.find(key)) is not None)
    if rows:
        _overwrite(path, file, rows, backend)
    return len(rows)


def _overwrite(path: Path, file: IndexFile, rows: Sequence[int], backend: Backend) -> None:
    most = len(file.keys) * _MOST_ERASED
    if file.manifest.backend == backend.name and file.manifest.erased + len(rows) <= most:
        with suppress(ArtefactError):
            holes = _holes(file, rows, backend)
            if holes is not None:
                files.erase(path, file, rows, holes)
                return
    files.delete(path)


def _holes(file: IndexFile, rows: Sequence[int], backend: Backend) -> list[Hole] | None:
    """Return what of the payload is to be overwritten, None where the backend cannot tell.

    Of the vectors, only those that are erased are checked.
    """
    manifest, length = file.manifest, len(file.payload)
    parsed = backend.parsed(
        manifest.index, count=manifest.count, width=manifest.width, length=length
    )
    file.require(0, parsed)
    holes = read_snapshot(file, backend=backend).searcher.holes(rows, file.payload)
    for hole in holes or ():
        if hole.number is not None:
            file.require(hole.number, hole.number + NUMBER)
    return holes

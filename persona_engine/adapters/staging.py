"""Folders that appear and disappear as a whole, whatever moment a process is killed at.

While a version's folder and its row are written or deleted, a note ``.pending-VERSION`` stands
beside it. Who finds a note, holding the lock, knows that its writer is gone: the row decides then
whether the folder stays.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from persona_engine.errors import ArtefactError
from persona_engine.index.locking import exclusive

_LOCK = ".lock"
_NOTE, _HALF = ".pending-", ".half-"
_LONGEST_WAIT = 60.0


class Staging:
    """One folder of folders, changed by one process at a time.

    Args:
        folder: Made when something is first put there.
        known: Whether a row of that version stands.
    """

    def __init__(self, folder: Path, *, known: Callable[[str], bool]) -> None:
        self._folder = folder
        self._known = known

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the folder for changes; what killed writers left is swept first.

        Raises:
            ArtefactError: The folder cannot be written.
            StoreUnavailableError: Another process holds it for a minute.
        """
        with _writable(self._folder), exclusive(self._folder / _LOCK, timeout=_LONGEST_WAIT):
            self.sweep()
            yield

    @contextmanager
    def pending(self, version: str) -> Iterator[None]:
        """Note that folder and row of a version are about to change; the note goes in the end."""
        note = self._folder / f"{_NOTE}{version}"
        note.touch()
        _sync(self._folder)
        try:
            yield
        finally:
            self._settle(note)

    def put(self, name: str, files: Mapping[str, Path | bytes]) -> None:
        """Write a folder with these files, each a copy or content; it appears when all are there.

        A folder of that name is replaced.
        """
        half = self._folder / f"{_HALF}{uuid.uuid4().hex}"
        half.mkdir()
        for file, source in files.items():
            _write(half / file, source)
        _sync(half)
        self._remove(name)
        half.rename(self._folder / name)
        _sync(self._folder)

    def sweep(self) -> None:
        """Remove what writers that were killed left behind; the caller holds the folder."""
        for note in sorted(self._folder.glob(f"{_NOTE}*")):
            self._settle(note)
        for half in self._folder.glob(f"{_HALF}*"):
            shutil.rmtree(half)

    def _settle(self, note: Path) -> None:
        version = note.name.removeprefix(_NOTE)
        if not self._known(version):
            self._remove(version)
        note.unlink()

    def _remove(self, name: str) -> None:
        """Remove a folder; a link is removed, not followed."""
        path = self._folder / name
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            gone = self._folder / f"{_HALF}{uuid.uuid4().hex}"
            path.rename(gone)
            shutil.rmtree(gone)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArtefactError(
            f"{error.filename or folder} cannot be written: {error.strerror or error}",
            remedy="name a folder that can be written as `adapters_folder`, and see to space there",
        ) from error


def _write(path: Path, source: Path | bytes) -> None:
    with path.open("xb") as target:
        if isinstance(source, Path):
            with source.open("rb") as content:
                shutil.copyfileobj(content, target)
        else:
            target.write(source)
        target.flush()
        os.fsync(target.fileno())


def _sync(folder: Path) -> None:
    """See to it that a folder's entries are on the disk; not every system lets one."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

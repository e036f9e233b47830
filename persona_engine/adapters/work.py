"""The folder in which one adapter is made: what a run that was broken off leaves to the next."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persona_engine.adapters.training_report import AdapterReport
from persona_engine.errors import StoreUnavailableError
from persona_engine.index.locking import exclusive
from persona_engine.types import Scope, TrainedAdapter

_REPORT, _TRAINED, _CHECKPOINTS, _LOCK = "report.json", "trained.json", "work", ".lock"
_PEOPLE, _DOOMED = "people.json", "forgotten"
_WAIT = 2.0


@dataclass(frozen=True, slots=True)
class Swept:
    """What became of the folders that hold texts of somebody who is forgotten.

    Args:
        removed: Folders that are gone.
        held: Folders that a process is training in: they go when it ends, or with the next sweep.
    """

    removed: int
    held: int


class WorkFolder:
    """Where one adapter is made.

    Args:
        folder: Named by everything that decides what the adapter becomes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def checkpoints(self) -> Path:
        """The trainer's own folder."""
        return self._folder / _CHECKPOINTS

    @contextmanager
    def held(self, people: Iterable[str] = ()) -> Iterator[None]:
        """Hold the folder against other processes.

        Args:
            people: Marks (`mark_of`) of those whose texts come into it, for `sweep` to find.

        Raises:
            StoreUnavailableError: Another one trains the same adapter.
        """
        with exclusive(self._folder / _LOCK, timeout=_WAIT):
            if (self._folder / _DOOMED).exists():
                _clear(self._folder)
            _write(self._folder / _PEOPLE, {"people": sorted(people)})
            yield
            if (self._folder / _DOOMED).exists():
                _clear(self._folder)

    def report(self) -> AdapterReport | None:
        """Return what a run before made, if it was finished."""
        found = _read(self._folder / _REPORT)
        return None if found is None else AdapterReport.from_json(found)

    def trained(self) -> tuple[TrainedAdapter, float] | None:
        """Return what a run before trained, and its seconds, if it was not yet judged."""
        found = _read(self._folder / _TRAINED)
        if found is None:
            return None
        folder = self._folder / found["folder"]
        return TrainedAdapter(folder, found["settings"], found["figures"]), found["seconds"]

    def keep_trained(self, trained: TrainedAdapter, *, seconds: float) -> None:
        """Note that training is over, and what it took."""
        inside = trained.folder.resolve().relative_to(self._folder.resolve())
        told = {"settings": dict(trained.settings), "figures": dict(trained.figures)}
        _write(self._folder / _TRAINED, {"folder": str(inside), "seconds": seconds, **told})

    def finish(self, report: AdapterReport) -> None:
        """Note what became of the adapter, and clear the rest away."""
        _write(self._folder / _REPORT, report.as_json())
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        (self._folder / _TRAINED).unlink(missing_ok=True)


def mark_of(scope: Scope) -> str:
    """Return how work folders call a person: a hash, for they must not name anybody."""
    return hashlib.sha256(f"{scope.tenant}\0{scope.user}".encode()).hexdigest()


def sweep(folder: Path, mark: str | None = None) -> Swept:
    """Remove the work folders that somebody's texts came into, also those of runs broken off.

    Args:
        folder: Where the work folders are.
        mark: Of the person (`mark_of`); without one, only what an earlier sweep found held goes.
    """
    removed = held = 0
    for each in sorted(folder.iterdir()) if folder.is_dir() else ():
        doomed = (each / _DOOMED).exists()
        if not each.is_dir() or not (doomed or (mark is not None and _has(each, mark))):
            continue
        try:
            with exclusive(each / _LOCK, timeout=0.0):
                shutil.rmtree(each)
                removed += 1
        except StoreUnavailableError:
            (each / _DOOMED).touch()
            held += 1
    return Swept(removed, held)


def _has(folder: Path, mark: str) -> bool:
    """Return whether somebody's texts came into a folder; of one that does not tell, suppose so."""
    told = _read(folder / _PEOPLE)
    return told is None or mark in told["people"]


def _clear(folder: Path) -> None:
    """Empty a folder that is held."""
    for each in folder.iterdir():
        if each.is_dir():
            shutil.rmtree(each, ignore_errors=True)
        elif each.name != _LOCK:
            each.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _write(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON so that the file is whole or is not there."""
    half = path.with_suffix(".half")
    half.write_text(json.dumps(values), encoding="utf-8")
    half.replace(path)

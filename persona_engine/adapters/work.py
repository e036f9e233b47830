"""The folder in which one adapter is made: what a run that was broken off leaves to the next."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from persona_engine.adapters.training_report import AdapterReport
from persona_engine.index.locking import exclusive
from persona_engine.types import TrainedAdapter

_REPORT, _TRAINED, _CHECKPOINTS, _LOCK = "report.json", "trained.json", "work", ".lock"
_WAIT = 2.0


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
    def held(self) -> Iterator[None]:
        """Hold the folder against other processes.

        Raises:
            StoreUnavailableError: Another one trains the same adapter.
        """
        with exclusive(self._folder / _LOCK, timeout=_WAIT):
            yield

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

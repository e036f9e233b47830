"""Finished parts of an evaluation on the disk, so that an interrupted one goes on."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from persona_engine import modelling
from persona_engine.evaluation.files import replaced
from persona_engine.evaluation.judging import CellResult
from persona_engine.interfaces import RewardModel

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Cells:
    """A folder of finished cells, each named after everything that it depends on.

    Args:
        folder: Where they are.
    """

    folder: Path

    def load(self, name: str, settings: Mapping[str, Any]) -> CellResult | None:
        """Return a cell that is finished, None for one that is not, or is damaged."""
        try:
            document = json.loads(self._path(name, settings).read_text(encoding="utf-8"))
            return CellResult.of(document["result"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, name: str, settings: Mapping[str, Any], result: CellResult) -> None:
        """Write a cell, whole or not at all.

        Raises:
            InvalidInputError: The folder cannot be written.
        """
        document = {"settings": settings, "result": result.document()}
        with replaced(self._path(name, settings)) as file:
            file.write(json.dumps(document).encode())

    def _path(self, name: str, settings: Mapping[str, Any]) -> Path:
        text = json.dumps([FORMAT, settings], sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self.folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}-{digest}.json"


def source_digest(model: RewardModel) -> str:
    """Return a hash of a method's source: what an older one came to is not what this one does.

    It covers the package of the class, or its module where that is one file, and
    `persona_engine.modelling`, which methods share.
    """
    module = importlib.import_module(type(model).__module__)
    package = importlib.import_module(module.__name__.partition(".")[0])
    own = module if package.__name__ == "persona_engine" else package
    files = sorted({*_sources(own), *_sources(modelling)})
    digest = hashlib.sha256()
    for each in files:
        digest.update(each.read_bytes())
    return digest.hexdigest()[:16]


def _sources(module: ModuleType) -> list[Path]:
    """Return the Python files of a package, or the one of a module."""
    if module.__file__ is None:
        return []
    path = Path(module.__file__)
    return list(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]

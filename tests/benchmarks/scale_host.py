"""A host with a model of its own that costs next to nothing, so that what is measured is ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import Generator
from persona_engine.testing import BigramGenerator


class Host:
    """Registers the bigram model, whose features are counts of words."""

    @hookimpl
    def persona_generators(self) -> dict[str, Callable[..., Generator]]:
        """Return it; it needs no weights."""
        return {"bigram": _bigram}


def _bigram(*, weights: Path) -> Generator:
    """Return the model, whatever lies in the folder."""
    assert weights.is_dir()
    return BigramGenerator()


def prepare(folder: Path) -> None:
    """Make what stands for the model's weights in a folder."""
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).touch()


def opened(folder: Path, url: str | None = None, **settings: object) -> PersonaEngine:
    """Open an engine on a folder's SQLite file, or on another database."""
    given: dict[str, object] = {
        "database": url or f"sqlite:///{folder}/persona.db",
        "generator": str(folder),
        "generator_plugin": "bigram",
        "data_folder": folder / "data",
    }
    config = EngineConfig(**{**given, **settings})
    return PersonaEngine(config=config, plugins=[Host()])


def words() -> list[str]:
    """Return what texts are made of."""
    return [word for word in BigramGenerator().words if word.isalpha()]


def reply(rng: np.random.Generator, known: list[str], *, homely: bool) -> str:
    """Return a text that praises home, or thinking."""
    end = "home home" if homely else "think think"
    return f"{' '.join(rng.choice(known, 6))} {end}"


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return median, 95th and 99th percentile in milliseconds."""
    found = 1e3 * np.percentile(seconds, (50, 95, 99))
    return dict(zip(("p50", "p95", "p99"), (round(float(each), 2) for each in found), strict=True))

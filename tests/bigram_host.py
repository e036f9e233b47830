"""A host with the kit's bigram model, and a population of people who love or hate to go home."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from persona_engine.hookspecs import hookimpl
from persona_engine.testing import BigramGenerator


class Bigrams:
    """A plugin object of the host: its generator."""

    def __init__(self, model=None) -> None:
        self._model = model

    @hookimpl
    def persona_generators(self):
        return {"bigram": lambda weights: self._model or BigramGenerator()}


def opened(place: Path, *, model=None, plugins=(), **settings) -> PersonaEngine:
    """Open the engine of a host's folder, with its own generator and more plugins of the host."""
    given = {
        "database": f"sqlite:///{place}/persona.db",
        "generator": str(place),
        "generator_plugin": "bigram",
        "data_folder": place / "data",
        "candidates": 4,
        "max_tokens": 12,
    }
    hosts = [Bigrams(model), *plugins]
    return PersonaEngine(config=EngineConfig(**{**given, **settings}), plugins=hosts)


def crowd() -> Iterator[dict[str, str]]:
    """Yield comparisons of twelve people: u1, u3 … love to go home, u0, u2 … hate it."""
    rng = np.random.default_rng(0)
    words = [word for word in BigramGenerator().words if word.isalpha()]
    for row in range(120):
        with_home, without = (" ".join(rng.choice(words, 6)) for _ in range(2))
        pair = [f"{with_home} home home", f"{without} think think"]
        chosen, rejected = pair if row % 2 else pair[::-1]
        user = f"u{row % 12}"
        yield {"user": user, "prompt": "Where to?", "chosen": chosen, "rejected": rejected}


def fitted(place: Path, template: Path) -> Path:
    """Make a host's folder whose database holds the crowd and a published population.

    Args:
        place: An empty folder.
        template: A migrated SQLite file without rows.
    """
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (place / name).touch()
    shutil.copy(template, place / "persona.db")
    with opened(place) as engine:
        engine.import_comparisons(crowd())
        assert engine.fit().published
    return place

"""A small engine whose encoder counts words, and twenty people of two tastes."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from tests.word_counts import WordCountsPlugin

PROMPT = "What shall I cook?"


def opened_in(folder, **settings):
    weights = folder / "weights"
    weights.mkdir(exist_ok=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (weights / name).touch()
    config = EngineConfig(
        database=f"sqlite:///{folder}/persona.db",
        generator=None,
        feature_encoder="word_counts",
        sentence_encoder=str(weights),
        data_folder=folder / "index",
        population_refresh_seconds=0.0,
        **settings,
    )
    return PersonaEngine(config=config, plugins=[WordCountsPlugin()])


@pytest.fixture(scope="session")
def kitchen_database(tmp_path_factory, sqlite_template):
    """A database of twenty people, who like it warm or cold in turns, and their population."""
    folder = tmp_path_factory.mktemp("fitted")
    shutil.copy(sqlite_template, folder / "persona.db")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(20):
        liked, other = ("warm", "cold") if number % 2 else ("cold", "warm")
        for each in rng.integers(1, 4, 8):
            rows.append(
                {
                    "user": f"user-{number:02}",
                    "prompt": PROMPT,
                    "chosen": " ".join([liked] * each + ["dish"]),
                    "rejected": " ".join([other] * each + ["dish"]),
                }
            )
    with opened_in(folder) as engine:
        engine.import_comparisons(rows)
        engine.fit()
    return folder / "persona.db"


@pytest.fixture
def open_kitchen(tmp_path, kitchen_database):
    """Open engines on a copy of that database."""
    shutil.copy(kitchen_database, tmp_path / "persona.db")
    opened = []

    def open_(**settings):
        opened.append(opened_in(tmp_path, **settings))
        return opened[-1]

    yield open_
    for engine in opened:
        engine.close()


@pytest.fixture
def kitchen(open_kitchen):
    """The engine with its default settings."""
    return open_kitchen()

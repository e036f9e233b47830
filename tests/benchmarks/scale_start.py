"""`personalize()` for anybody of a million people, and a process's first answer."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from bench_overhead import in_turns, populate
from everyday_texts import request
from report import Figure, say

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from persona_engine.features import Text
from persona_engine.weights import resolve

USERS, QUICK_USERS = 1_000_000, 2_000
MOST_RATIO, MOST_START = 1.3, 3.0


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures.

    Args:
        folder: Not read.
        quick: Fewer users, fewer calls.
        seed: Of who is asked for.
    """
    users = QUICK_USERS if quick else USERS
    with tempfile.TemporaryDirectory(prefix="persona-start-") as name:
        place = Path(name)
        config = EngineConfig(database=f"sqlite:///{place}/persona.db", data_folder=place / "data")
        with PersonaEngine(config=config) as engine:
            engine.user("first").instruct("Answer in British English.")
            populate(place / "persona.db", users)
            say(f"  {users:,} users, one instruction each")
            figures = _anybody(engine, users, seed, calls=5 if quick else 40)
        figures.update(_cold(place, users, rounds=1 if quick else 3))
    return figures


def _anybody(engine: PersonaEngine, users: int, seed: int, *, calls: int) -> dict[str, Figure]:
    encoder = engine.plugins.create(
        "encoder", "sentence", weights=resolve(engine.config.sentence_encoder)
    )
    everything = {each.text for name in _names(40, 40) for each in engine.user(name).instructions()}
    engine._runtime.sentences.get("default", [Text(each) for each in sorted(everything)])
    people = _names(users, 4_000, seed)
    whole, part = in_turns(
        lambda number: engine.user(people[number]).personalize(
            [{"role": "user", "content": request(number)}]
        ),
        lambda number: encoder.encode([()], [request(number)]),
        rounds=3,
        calls=calls,
    )
    return {
        "personalize_anybody_over_encoding": Figure(
            round(whole.cpu / part.cpu, 3),
            "ratio of CPU time",
            MOST_RATIO,
            f"{1e3 * part.cpu:.2f} ms, {users:,} users",
        ),
        "personalize_anybody_ms": Figure(round(1e3 * whole.cpu, 2), "CPU ms"),
    }


def _names(users: int, count: int, seed: int | None = None) -> list[str]:
    """Return names of random people, or of the first ones."""
    if seed is None:
        return [f"user-{number:06d}" for number in range(count)]
    chosen = np.random.default_rng(seed).integers(0, users, count)
    return [f"user-{number:06d}" for number in chosen.tolist()]


_MODEL = """
from persona_engine.config import EngineConfig
from persona_engine.plugins import discover
from persona_engine.weights import resolve
encoder = discover().create(
    "encoder", "sentence", weights=resolve(EngineConfig().sentence_encoder)
)
encoder.encode([()], ["Plan my weekend"])
"""
_ANSWER = """
import sys
from pathlib import Path
from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
place = Path(sys.argv[1])
config = EngineConfig(database=f"sqlite:///{place}/persona.db", data_folder=place / "data")
with PersonaEngine(config=config) as engine:
    found = engine.user(sys.argv[2]).personalize([{"role": "user", "content": "Plan my weekend"}])
    assert found.messages
"""


def _cold(place: Path, users: int, *, rounds: int) -> dict[str, Figure]:
    """Measure a process from its start to its first answer beside one that only loads the model."""
    took: dict[str, list[float]] = {"model": [], "answer": []}
    people = _names(users, rounds, 7)
    for number in range(rounds):
        for name, code in (("model", _MODEL), ("answer", _ANSWER)):
            begun = time.perf_counter()
            command = [sys.executable, "-c", code, str(place), people[number]]
            subprocess.run(command, check=True, capture_output=True)
            took[name].append(time.perf_counter() - begun)
    model, answer = median(took["model"]), median(took["answer"])
    return {
        "cold_start_beyond_model_s": Figure(
            round(answer - model, 2), "s", MOST_START, f"{model:.2f} s to load the model alone"
        )
    }

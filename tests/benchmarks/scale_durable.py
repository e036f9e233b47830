"""Feedback that is on the disk when it returns, beside a raw insert that is."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench_overhead import learn_from_cached_texts, populate
from report import Figure, say

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig

USERS, QUICK_USERS = 100_000, 1_000


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures.

    Args:
        folder: Not read.
        quick: Fewer users, fewer calls.
        seed: Not used: the calls alternate.
    """
    users = QUICK_USERS if quick else USERS
    with tempfile.TemporaryDirectory(prefix="persona-durable-") as name:
        place = Path(name)
        config = EngineConfig(database=f"sqlite:///{place}/persona.db", data_folder=place / "data")
        with PersonaEngine(config=config) as engine:
            engine.user("first").instruct("Answer in British English.")
            populate(place / "persona.db", users)
            say(f"  {users:,} users")
            found = learn_from_cached_texts(
                engine, place, rounds=3 if quick else 5, calls=5 if quick else 60
            )
    return {
        "durable_feedback_over_insert": found["prefer_cached_over_insert"],
        "durable_feedback_ms": found["prefer_cached_ms"],
    }

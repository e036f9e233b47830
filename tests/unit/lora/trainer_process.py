"""Trains in a process of its own, which is to be killed: ``trainer_process.py WEIGHTS FOLDER``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from persona_engine.types import TrainingPair, TrainingTask
from persona_lora import Dpo

METHOD = Dpo(learning_rate=1e-2, batch=2, steps=8, save_every=1)


def task_of(weights: Path, folder: Path) -> TrainingTask:
    """Return a small task."""
    pairs = tuple(
        TrainingPair(({"role": "user", "content": f"What of {n}?"},), "Yes, do.", f"No, {n}.", "u")
        for n in range(6)
    )
    return TrainingTask(weights, folder, pairs)


def say(what: str, done: int, total: int) -> None:
    """Tell how far it is, a line each."""
    print(json.dumps([what, done, total]), flush=True)


if __name__ == "__main__":
    METHOD.train(task_of(Path(sys.argv[1]), Path(sys.argv[2])), progress=say)

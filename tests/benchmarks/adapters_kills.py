"""Training that is killed at random moments ends in the adapter of an unbroken run.

A process trains on a tiny random model; it is killed (SIGKILL) at a moment drawn from the whole of
its life, and started again in the same folder until it ends, then in the next folder, until it was
killed 20 times: ``python tests/benchmarks/adapters_kills.py --json``.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from report import Figure, arguments, finish, say
from safetensors.numpy import load_file

from persona_engine.testing.tiny_model import write_tiny_model
from persona_engine.types import TrainingPair, TrainingTask

KILLS, STEPS = 20, 120
TOLERANCE = 1e-5
_SHORTEST_S = 0.05


@dataclass
class Ended:
    """How runs ended.

    Args:
        gaps: Largest difference of any weight from the unbroken run's, by folder.
        kills: How often a process was killed.
        starts: First step that each process after a kill reported.
        failures: What processes said that ended by themselves, but not well.
    """

    gaps: list[float] = field(default_factory=list)
    kills: int = 0
    starts: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def measure(_data: Path | None = None, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return how often training went on, and how far its adapters are from the unbroken run's."""
    kills = 3 if quick else KILLS
    with tempfile.TemporaryDirectory() as kept:
        root = Path(kept)
        weights = write_tiny_model(root / "tiny-model")
        lasted = _unbroken(weights, root / "unbroken")
        ended = _killed(weights, root, kills=kills, lasted=lasted, seed=seed)
    return {
        "kills": Figure(ended.kills, "processes killed", kills, None, "at least"),
        "kills_failed_to_go_on": Figure(
            len(ended.failures), "processes", 0, "; ".join(ended.failures)[:200] or None, "exactly"
        ),
        "kills_largest_gap": Figure(
            max(ended.gaps, default=float("inf")),
            "largest difference of a weight",
            TOLERANCE,
            f"an unbroken run, {len(ended.gaps)} adapters that were broken off",
        ),
        "kills_went_on_from": Figure(
            float(np.mean(ended.starts)) if ended.starts else None,
            f"step of {STEPS}, mean over processes that followed a killed one",
        ),
    }


def _unbroken(weights: Path, folder: Path) -> float:
    """Train without a break; return how long the process lived."""
    started = time.monotonic()
    subprocess.run(_command(weights, folder), env=_environment(), check=True, capture_output=True)
    return time.monotonic() - started


def _killed(weights: Path, root: Path, *, kills: int, lasted: float, seed: int) -> Ended:
    draw, ended = random.Random(seed), Ended()
    expected = load_file(root / "unbroken" / "adapter" / "adapter_model.safetensors")
    while ended.kills < kills:
        folder = root / f"killed-{len(ended.gaps)}"
        before = ended.kills
        while True:
            moment = draw.uniform(_SHORTEST_S, lasted) if ended.kills < kills else None
            if _finished(weights, folder, moment, ended):
                break
        if ended.failures:
            break
        if ended.kills > before:
            found = load_file(folder / "adapter" / "adapter_model.safetensors")
            ended.gaps.append(_gap(found, expected))
            say(f"{ended.kills} kills, {len(ended.gaps)} adapters, gap {ended.gaps[-1]:.2g}")
    return ended


def _finished(weights: Path, folder: Path, moment: float | None, ended: Ended) -> bool:
    """Start a process, kill it at a moment if it still lives; return whether it came to its end."""
    again = folder.exists()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            _command(weights, folder), env=_environment(), stdout=said, stderr=subprocess.STDOUT
        )
        try:
            code = process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
        steps, text = _told(said)
    if again and steps:
        ended.starts.append(steps[0])
    if code is None:
        ended.kills += 1
        return False
    if code != 0:
        ended.failures.append(text[-200:])
    return True


def _told(said: IO[str]) -> tuple[list[int], str]:
    said.seek(0)
    text = said.read()
    lines = [line.split() for line in text.splitlines() if line.startswith("step ")]
    return [int(line[1]) for line in lines if len(line) == 2], text


def _gap(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> float:
    if found.keys() != expected.keys():
        return float("inf")
    return max(float(np.abs(found[name] - expected[name]).max()) for name in expected)


def _command(weights: Path, folder: Path) -> list[str]:
    return [sys.executable, __file__, "--train", str(weights), str(folder)]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}


def train(weights: Path, folder: Path) -> None:
    """Train, telling each step on standard output."""
    from persona_lora import Dpo

    pairs = tuple(
        TrainingPair(
            ({"role": "user", "content": f"What is {n} and {n}?"},), f"{2 * n}.", f"Not {n}.", "u"
        )
        for n in range(24)
    )
    method = Dpo(steps=STEPS, batch=4, learning_rate=3e-3, save_every=10, worst_group=True)

    def tell(what: str, done: int, total: int) -> None:
        if what == "training":
            print("step", done, flush=True)

    method.train(TrainingTask(weights, folder, pairs), progress=tell)


def main() -> None:
    """Print the figures, or train in a process that is to be killed."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--train", nargs=2, metavar=("WEIGHTS", "FOLDER"), type=Path)
    options = parser.parse_args()
    if options.train:
        train(*options.train)
        return
    finish(measure(quick=options.quick, seed=options.seed), seed=options.seed, as_json=options.json)


if __name__ == "__main__":
    main()

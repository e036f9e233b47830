"""Whether what is said twice merges, what is changed supersedes, and the rest is left alone.

    python tests/benchmarks/instructions_maintenance.py [--quick] [--json]

Each line of `instructions_maintenance.tsv` holds what a person says first and three things that
they may say second: the same, a contradiction or update, something unrelated, mostly about the same
subject. A user says the first and one of the three by `user.instruct`; then their history is read.
No training script reads the file, none of its sentences is among the statements that the relation
scorer was trained on, and most of its subjects are not.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from persona_engine import EngineConfig, PersonaEngine
from persona_engine.user import User

sys.path.insert(0, str(Path(__file__).parent))
from report import Figure, arguments, finish, say

TRIPLES = Path(__file__).with_suffix(".tsv")
KINDS = ("same", "contradicting", "unrelated")
OUTCOMES = ("merged", "superseded", "left_alone")
TARGETS = (0.90, 0.85, 0.97)


def read_triples() -> list[tuple[str, ...]]:
    """Return subject, first, same, contradicting, unrelated."""
    lines = TRIPLES.read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines if not line.startswith("#")]


def measure(data: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the share of each kind that is treated right; ``data`` is not needed."""
    triples = read_triples()
    subjects = len({each[0] for each in triples})
    if quick:
        chosen = np.random.default_rng(seed).permutation(len(triples))[:12]
        triples = [triples[i] for i in chosen]
    happened = outcomes(triples)
    figures = {}
    for kind, right, target in zip(KINDS, OUTCOMES, TARGETS, strict=True):
        share = happened[kind, right] / len(triples)
        wrong = {o: happened[kind, o] for o in OUTCOMES if o != right and happened[kind, o]}
        figures[f"maintenance_{kind}_{right}"] = Figure(
            share, "share", target, baseline=f"of {len(triples)}; {wrong}", sense="at least"
        )
    figures["maintenance_subjects"] = Figure(subjects, "subjects", 40, sense="at least")
    return figures


def outcomes(triples: Sequence[tuple[str, ...]]) -> Counter[tuple[str, str]]:
    """Return how often each kind had each outcome, each pair with a user of its own."""
    found: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        config = EngineConfig(
            database=f"sqlite:///{folder}/maintenance.db", data_folder=Path(folder), generator=None
        )
        with PersonaEngine(config=config) as engine:
            for row, (_, first, *seconds) in enumerate(triples):
                for kind, second in zip(KINDS, seconds, strict=True):
                    found[kind, outcome(engine.user(f"{row}-{kind}"), first, second)] += 1
                if row % 50 == 49:
                    say(f"maintenance: {row + 1} of {len(triples)}")
    return found


def outcome(user: User, first: str, second: str) -> str:
    """Say both, and return what became of the first."""
    old = user.instruct(first)
    new = user.instruct(second)
    if new.id == old.id:
        return "merged"
    status = {each.id: each.status for each in user.history()}[old.id]
    return "superseded" if status == "superseded" else "left_alone"


def main() -> None:
    """Measure and print."""
    chosen = arguments(__doc__ or "").parse_args()
    figures = measure(Path(), quick=chosen.quick, seed=chosen.seed)
    finish(figures, seed=chosen.seed, as_json=chosen.json)


if __name__ == "__main__":
    main()

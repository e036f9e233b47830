"""Everybody's posterior at once: a million users of eight comparisons, and the way from a file."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from report import Figure, say
from scale_host import opened, prepare, words

from persona_engine import PersonaEngine
from persona_engine.modelling import CrowdPosteriors
from persona_engine.types import CrowdEvidence, Population

USERS, QUICK_USERS = 1_000_000, 20_000
STORED, QUICK_STORED = 50_000, 300
EACH, REPLIES, WIDTH = 8, 256, 577
RANKS = (16, 64)
PER_SECOND, MOST_MB = 80_000, 4_096


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures.

    Args:
        folder: Not read.
        quick: Fewer users.
        seed: Of what they choose.
    """
    users = QUICK_USERS if quick else USERS
    figures, rates = {}, {}
    for rank in RANKS:
        before = time.process_time()
        took = infer(population(rank, seed), crowd(users, seed))[1]
        work = time.process_time() - before
        rates[rank] = users / took
        say(f"  K={rank}: {rates[rank]:,.0f} posteriors a second")
        figures[f"infer_per_second_k{rank}"] = Figure(
            round(rates[rank]),
            "posteriors/s",
            None if quick else PER_SECOND,
            f"{users:,} users, {EACH} comparisons each; LoRe 6, VPL's encoder 530",
            "at least",
        )
        figures[f"infer_per_core_second_k{rank}"] = Figure(
            round(users / work), "posteriors/CPU s", None, "making the people up included"
        )
    figures["infer_flat_in_k"] = Figure(
        round(rates[RANKS[0]] / rates[RANKS[-1]], 2), f"times as long at K={RANKS[-1]}"
    )
    with tempfile.TemporaryDirectory(prefix="persona-million-") as place:
        figures.update(_from_a_file(Path(place), QUICK_STORED if quick else STORED, seed))
    figures["million_peak_mb"] = Figure(
        round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "MiB",
        MOST_MB,
        "resident, of the whole part",
    )
    return figures


def population(rank: int, seed: int) -> Population:
    """Return one whose users differ by less and less from one latent direction to the next."""
    rng = np.random.default_rng(seed)
    scale = np.concatenate([[1.0], 2.0 * 0.95 ** np.arange(rank)])
    projection = rng.normal(size=(WIDTH, 1 + rank)) * scale / np.sqrt(WIDTH)
    metric = projection.T @ projection
    arrays = {
        "projection": projection,
        "shared_factor": np.zeros((WIDTH, 1)),
        "centre": np.zeros(WIDTH),
        "embedding": np.linalg.cholesky(metric).T,
        "width": np.ones(1),
    }
    return Population("hierarchical", "f", {k: np.float32(v) for k, v in arrays.items()}, {})


def crowd(users: int, seed: int) -> CrowdEvidence:
    """Return users who chose between the replies of a bank."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, REPLIES, users * EACH, np.int32)
    other = (chosen + rng.integers(1, REPLIES, users * EACH, np.int32)) % REPLIES
    items = rng.normal(size=(REPLIES, WIDTH)).astype(np.float32)
    return CrowdEvidence(items, chosen, other, np.full(users, EACH, np.int32))


def infer(learned: Population, people: CrowdEvidence) -> tuple[CrowdPosteriors, float]:
    """Return everybody's posterior, and the seconds that it took."""
    from persona_hierarchical import Hierarchical

    model = Hierarchical()
    model.infer_crowd(learned, crowd(5_000, 9))  # what is done once
    begun = time.perf_counter()
    found = model.infer_crowd(learned, people)
    took = time.perf_counter() - begun
    assert isinstance(found, CrowdPosteriors)
    assert np.isfinite(found.mean).all()
    return found, took


def _from_a_file(folder: Path, users: int, seed: int) -> dict[str, Figure]:
    prepare(folder)
    rows = users * EACH
    _write(folder / "rows.jsonl", users, seed)
    with opened(folder) as engine:
        _publish(engine, folder, seed)
        imported, again = (_seconds(engine, folder / "rows.jsonl") for _ in range(2))
        say(f"  {rows:,} rows imported in {imported:.0f} s")
        report = engine.infer_all()
        say(f"  inferred and stored in {report.seconds:.0f} s")
    assert report.inferred == users
    return {
        "import_rows_per_second": Figure(round(rows / imported), "rows/s", None, f"{rows:,} rows"),
        "import_again_rows_per_second": Figure(
            round(rows / again), "rows/s", None, "all of them stored already"
        ),
        "infer_all_per_second": Figure(
            round(users / report.seconds), "users/s", None, "events read, posteriors stored"
        ),
    }


def _seconds(engine: PersonaEngine, path: Path) -> float:
    begun = time.perf_counter()
    engine.import_file(path)
    return time.perf_counter() - begun


def _publish(engine: PersonaEngine, folder: Path, seed: int) -> None:
    """Publish a population that was fitted to some hundred people."""
    _write(folder / "few.jsonl", 200, seed + 1)
    engine.import_file(folder / "few.jsonl", tenant="few")
    engine.fit(tenant="few")
    learner = engine._runtime.learner
    fitted = learner.population("few")
    assert fitted is not None
    learner.publish("default", fitted, users=())


def _write(path: Path, users: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    known = np.array(words())
    starts = [" ".join(each) for each in rng.choice(known, (400, 6))]
    with path.open("w", encoding="utf-8") as file:
        for number in range(users):
            for place in rng.integers(0, len(starts), EACH).tolist():
                ends = ("home home", "think think")[:: 1 if number % 2 else -1]
                row = {"user": f"user-{number:07d}", "prompt": "", "rejected": ""}
                row["chosen"], row["rejected"] = (f"{starts[place]} {end}" for end in ends)
                file.write(json.dumps(row) + "\n")

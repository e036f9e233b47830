"""The index of a million users: built, searched beside raw FAISS, mapped, erased from."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from report import Figure, say
from scale_million import crowd, infer, population

from persona_engine.index import IndexKind, Snapshot, VectorCache
from persona_engine.types import FloatArray

USERS, QUICK_USERS = 1_000_000, 60_000
OTHERS, QUICK_OTHERS = 100_000, 3_000
RANK, QUERIES, NEAREST = 63, 200, 10
LEAST_RECALL, MOST_RATIO, MOST_START = 0.95, 1.2, 3.0


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures.

    Args:
        folder: Not read.
        quick: Fewer users.
        seed: Of what they choose.
    """
    vectors = embeddings(QUICK_USERS if quick else USERS, seed)
    queries = embeddings(QUERIES, seed + 1)
    with tempfile.TemporaryDirectory(prefix="persona-index-") as place:
        figures = _large(Path(place), vectors, queries)
        some = np.ascontiguousarray(vectors[: QUICK_OTHERS if quick else OTHERS])
        kinds: tuple[IndexKind, ...] = ("flat", "hnsw", "sq")
        for kind in kinds:
            figures.update(_other(Path(place) / kind, kind, some, queries))
    return figures


def embeddings(users: int, seed: int) -> FloatArray:
    """Return preference embeddings ``(U, 64)`` of users of eight comparisons each."""
    learned = population(RANK, 0)
    from persona_hierarchical import Hierarchical

    return Hierarchical().embed_many(learned, infer(learned, crowd(users, seed))[0])


def _large(folder: Path, vectors: FloatArray, queries: FloatArray) -> dict[str, Figure]:
    built, took = _built(folder, "auto", vectors)
    about = built.manifest
    say(f"  {about.index} of {len(vectors):,}: {took:.0f} s, {about.effort} lists looked through")
    started = _start(folder, queries[0])
    mapped = _cache(folder, "auto").current(_never, "1")
    ours, raw = beside_raw(mapped, queries)
    begun = time.perf_counter()
    assert _cache(folder, "auto").remove(_name(77)) == 1
    erased = time.perf_counter() - begun
    kind = f"{about.index} at {len(vectors):,} x {vectors.shape[1]}"
    return {
        "index_build_s": Figure(round(took, 1), "s", None, kind),
        "index_recall_at_10": Figure(
            round(recall(mapped, vectors, queries), 4), "share", LEAST_RECALL, kind, "at least"
        ),
        "index_recall_told": Figure(round(about.recall, 4), "share", None, "by its manifest"),
        "index_search_over_raw": Figure(
            round(ours / raw, 3), "ratio of wall time", MOST_RATIO, f"{1e3 * raw:.3f} ms, {kind}"
        ),
        "index_search_ms": Figure(round(1e3 * ours, 3), "ms"),
        "index_start_s": Figure(
            round(started, 2), "s", MOST_START, "another process maps, checks and searches it"
        ),
        "index_erase_ms": Figure(round(1e3 * erased, 1), "ms", None, "one user, on the disk"),
    }


def _other(
    folder: Path, kind: IndexKind, vectors: FloatArray, queries: FloatArray
) -> dict[str, Figure]:
    built, took = _built(folder, kind, vectors)
    ours, raw = beside_raw(built, queries)
    size = f"{len(vectors):,} users"
    say(f"  {kind}: {took:.1f} s")
    return {
        f"index_{kind}_build_s": Figure(round(took, 2), "s", None, size),
        f"index_{kind}_recall_at_10": Figure(
            round(recall(built, vectors, queries), 4), "share", LEAST_RECALL, size, "at least"
        ),
        f"index_{kind}_over_raw": Figure(
            round(ours / raw, 3), "ratio of wall time", MOST_RATIO, f"{1e3 * raw:.3f} ms"
        ),
    }


def _cache(folder: Path, kind: Any) -> VectorCache:
    return VectorCache(folder, tenant="t", kind="users", fingerprint="f", index=kind)


def _name(row: int) -> str:
    return f"user-{row:07d}"


def _never() -> Iterator[tuple[str, FloatArray]]:
    raise AssertionError("the file was fresh")


def _built(folder: Path, kind: Any, vectors: FloatArray) -> tuple[Snapshot, float]:
    begun = time.perf_counter()
    named = ((_name(row), vector) for row, vector in enumerate(vectors))
    snapshot = _cache(folder, kind).current(lambda: named, "1")
    return snapshot, time.perf_counter() - begun


def beside_raw(snapshot: Snapshot, queries: FloatArray) -> tuple[float, float]:
    """Return the median seconds of a search here, and by the same index of FAISS, in turns."""
    raw: Any = snapshot.searcher._index  # type: ignore[attr-defined]
    unit = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    calls: tuple[Callable[[int], object], ...] = (
        lambda n: snapshot.search(queries[n], count=NEAREST),
        lambda n: raw.search(unit[n : n + 1], NEAREST),
    )
    took: tuple[list[float], list[float]] = ([], [])
    for round_ in range(3):
        for number in range(len(queries)):
            for which in (0, 1) if (number + round_) % 2 else (1, 0):
                begun = time.perf_counter()
                calls[which](number)
                took[which].append(time.perf_counter() - begun)
    return median(took[0]), median(took[1])


def recall(snapshot: Snapshot, vectors: FloatArray, queries: FloatArray) -> float:
    """Return the share of the true ten nearest that new users' searches find."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    hits = 0
    for query in queries:
        truth = np.argpartition(-(unit @ query), NEAREST)[:NEAREST]
        found = {key for key, _ in snapshot.search(query, count=NEAREST)}
        hits += len(found & {_name(row) for row in truth.tolist()})
    return hits / (NEAREST * len(queries))


_SEARCH = """
import sys, time
import faiss, numpy
from pathlib import Path
from persona_engine.index import VectorCache
begun = time.perf_counter()
index = VectorCache(Path(sys.argv[1]), tenant="t", kind="users", fingerprint="f")
query = numpy.array(sys.argv[2].split(","), numpy.float32)
assert len(index.search(lambda: 1 / 0, "1", query, count=10)) == 10
print(time.perf_counter() - begun)
"""


def _start(folder: Path, query: FloatArray) -> float:
    """Return the seconds from a new process's first call to its answer."""
    told = ",".join(map(str, query.tolist()))
    command = [sys.executable, "-c", _SEARCH, str(folder), told]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

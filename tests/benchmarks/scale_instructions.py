"""A person's instructions, looked up and scored exactly, in stores of more and more texts.

Two things that nobody can do without are measured beside it, in turns: a bare table of user, text
and vector, which is the least that a lookup by meaning can be; and the same rows of the engine's
own file, read whole by one prepared select of sqlite3. Only the second does what a correct reader
must: tenant and user, what is in force and until when, the feature space of each vector, and every
column that makes up an instruction, as that is what is returned.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from everyday_texts import INSTRUCTIONS, many
from report import Figure, say

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from persona_engine.types import FloatArray, Instruction

STORES = (1_000, 10_000, 100_000)
QUICK_STORES = (200, 1_000)
EACH, NEAREST, WIDTH = 20, 5, 384
MOST_RATIO = 2.0
_SAME_ROWS = """
    SELECT sequence, id, created_at, kind, strength, source, trust, status, valid_from, valid_until,
        supersedes, superseded_by, language, rests_on, scope, text,
        CASE WHEN vector_space = ? THEN vector END
    FROM instruction WHERE tenant = 'default' AND "user" = ? AND status = 'active'
        AND (valid_until IS NULL OR valid_until > ?)
"""


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures.

    Args:
        folder: Not read.
        quick: Smaller stores.
        seed: Of the embeddings and of who is asked for.
    """
    figures: dict[str, Figure] = {}
    ours: dict[int, float] = {}
    for texts in QUICK_STORES if quick else STORES:
        with tempfile.TemporaryDirectory(prefix="persona-instructions-") as place:
            took = _measured(Path(place), texts, seed, calls=40 if quick else 300)
        found, bare, same, insert = took
        say(
            f"  {texts:,} texts: {1e3 * found:.3f} ms, bare {1e3 * bare:.3f}, same {1e3 * same:.3f}"
        )
        ours[texts] = found
        for name, ideal in (("ideal", bare), ("same_rows", same)):
            figures[f"find_instructions_over_{name}_{texts}"] = Figure(
                round(found / ideal, 2), "ratio of wall time", MOST_RATIO, f"{1e3 * ideal:.3f} ms"
            )
        figures[f"find_instructions_ms_{texts}"] = Figure(
            round(1e3 * found, 3), "ms", None, "mem0's FAISS store 9.4, Chroma 163"
        )
        figures[f"insert_instruction_ms_{texts}"] = Figure(
            round(1e3 * insert, 2), "ms, durable", None, "mem0 1,155, Chroma 51"
        )
    least, most = min(ours), max(ours)
    figures["find_instructions_flat"] = Figure(
        round(ours[most] / ours[least], 2), f"times as long in {most:,} texts as in {least:,}"
    )
    return figures


def _measured(folder: Path, texts: int, seed: int, *, calls: int) -> tuple[float, ...]:
    """Return the median seconds of a lookup, of a bare one, of the same rows, and of an insert."""
    config = EngineConfig(database=f"sqlite:///{folder}/persona.db", data_folder=folder / "data")
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(texts, WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    said = [f"{many(INSTRUCTIONS[n % len(INSTRUCTIONS)], n)} (No. {n})" for n in range(texts)]
    with PersonaEngine(config=config) as engine, closing(_ideal(folder, said, vectors)) as raw:
        _fill(engine, folder, said, vectors)
        queries = rng.normal(size=(calls, WIDTH)).astype(np.float32)
        people = [_name(number) for number in rng.integers(0, texts // EACH, calls).tolist()]
        for number in range(5):  # both find the same, in the same order
            mine = engine.user(people[number]).find_instructions(queries[number], count=NEAREST)
            assert [each.text for each, _ in mine] == _lookup(raw, people[number], queries[number])
        space = engine._runtime.sentences.encoder.fingerprint
        with closing(sqlite3.connect(folder / "persona.db", isolation_level=None)) as own:
            took = _in_turns(
                [
                    lambda n: engine.user(people[n]).find_instructions(queries[n], count=NEAREST),
                    lambda n: _lookup(raw, people[n], queries[n]),
                    lambda n: _same_rows(own, space, people[n], queries[n]),
                ],
                calls,
            )
        return *took, _insert(engine, 20)


def _name(number: int) -> str:
    return f"user-{number:06d}"


def _ideal(folder: Path, said: list[str], vectors: FloatArray) -> sqlite3.Connection:
    """Return a database of nothing but what is looked up."""
    connection = sqlite3.connect(folder / "ideal.db", isolation_level=None)
    connection.execute("CREATE TABLE said (user TEXT, text TEXT, vector BLOB)")
    connection.execute("BEGIN")
    rows = zip(said, vectors, strict=True)
    connection.executemany(
        "INSERT INTO said VALUES (?, ?, ?)",
        ((_name(n // EACH), text, vector.tobytes()) for n, (text, vector) in enumerate(rows)),
    )
    connection.execute("CREATE INDEX of_user ON said (user)")
    connection.execute("COMMIT")
    return connection


def _lookup(raw: sqlite3.Connection, user: str, query: FloatArray) -> list[str]:
    rows = raw.execute("SELECT text, vector FROM said WHERE user = ?", (user,)).fetchall()
    return [row[0] for row in _nearest(rows, query)]


def _same_rows(
    own: sqlite3.Connection, space: str, user: str, query: FloatArray
) -> list[tuple[Any, ...]]:
    """Return the nearest rows, whole, of the engine's own table."""
    rows = own.execute(_SAME_ROWS, (space, user, time.time_ns() // 1000)).fetchall()
    return _nearest(rows, query)


def _nearest(rows: list[tuple[Any, ...]], query: FloatArray) -> list[tuple[Any, ...]]:
    matrix = np.frombuffer(b"".join([row[-1] for row in rows]), np.float32).reshape(-1, WIDTH)
    return [rows[place] for place in np.argsort(-(matrix @ query))[:NEAREST].tolist()]


def _fill(engine: PersonaEngine, folder: Path, said: list[str], vectors: FloatArray) -> None:
    space = engine._runtime.sentences.encoder.fingerprint
    now = time.time_ns() // 1000
    engine.store.user(engine.user("first").scope).touch()
    with closing(sqlite3.connect(folder / "persona.db")) as connection, connection:
        connection.executemany(
            'INSERT INTO app_user (tenant, "user", created_at) VALUES (?, ?, ?)',
            (("default", _name(n), now) for n in range(len(said) // EACH)),
        )
        connection.executemany(
            'INSERT INTO instruction (tenant, "user", id, created_at, kind, strength, source,'
            " trust, status, scope, text, vector_space, vector)"
            " VALUES ('default', ?, ?, ?, 'preference', 'prefer', 'user', 1.0, 'active', '',"
            " ?, ?, ?)",
            (
                (_name(n // EACH), f"i-{n}", now, text, space, vector.tobytes())
                for n, (text, vector) in enumerate(zip(said, vectors, strict=True))
            ),
        )


def _in_turns(ways: Sequence[Callable[[int], object]], calls: int) -> tuple[float, ...]:
    """Return the median seconds of each way; another one goes first each time."""
    took: list[list[float]] = [[] for _ in ways]
    for number in range(calls):
        for place in range(len(ways)):
            which = (number + place) % len(ways)
            begun = time.perf_counter()
            ways[which](number)
            took[which].append(time.perf_counter() - begun)
    return tuple(median(each) for each in took)


def _insert(engine: PersonaEngine, calls: int) -> float:
    """Return the median seconds of storing an instruction, encoding aside."""
    rows, took = engine.store.user(engine.user("new").scope), []
    for number in range(calls):
        begun = time.perf_counter()
        rows.add_instruction(Instruction(f"n-{number}", "Use metric units.", datetime.now(UTC)))
        took.append(time.perf_counter() - begun)
    return median(took)

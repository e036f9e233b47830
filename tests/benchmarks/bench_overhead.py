"""What the engine adds to the work that nobody can do without: encoding, and writing to the disk.

Every pair is measured in turns, one call of each, so that a busy machine slows both alike.
"""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from everyday_texts import INSTRUCTIONS, many, reply, request
from report import Figure, arguments, finish, say

from persona_engine import PersonaEngine, Question
from persona_engine.config import EngineConfig
from persona_engine.interfaces import Encoder
from persona_engine.onboarding import question_bank
from persona_engine.types import Instruction
from persona_engine.user import User
from persona_engine.weights import resolve

HEAVY = ("torch", "transformers", "faiss", "sqlalchemy")


@dataclass(frozen=True)
class Cost:
    """Seconds of one call, medians."""

    cpu: float
    wall: float


def in_turns(
    first: Callable[[int], object], second: Callable[[int], object], *, rounds: int, calls: int
) -> tuple[Cost, Cost]:
    """Return what each costs: the median over rounds of the median call.

    Both are called once with each number from 0 on; which goes first alternates.
    """
    for number in range(3):
        first(-1 - number)
        second(-1 - number)
    medians: tuple[list[Cost], list[Cost]] = ([], [])
    for round_ in range(rounds):
        costs: tuple[list[Cost], list[Cost]] = ([], [])
        for number in range(round_ * calls, (round_ + 1) * calls):
            for which in (0, 1) if number % 2 else (1, 0):
                costs[which].append(_timed((first, second)[which], number))
        for which in (0, 1):
            medians[which].append(_median(costs[which]))
    return _median(medians[0]), _median(medians[1])


def populate(database: Path, users: int) -> None:
    """Add other users, each with an instruction, to a tenant that exists."""
    names = [f"user-{number:06d}" for number in range(users)]
    now = time.time_ns() // 1000
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(
            'INSERT INTO app_user (tenant, "user", created_at) VALUES (?, ?, ?)',
            (("default", name, now) for name in names),
        )
        connection.executemany(
            'INSERT INTO instruction (tenant, "user", id, created_at, kind, strength, source,'
            " trust, status, scope, text)"
            " VALUES (?, ?, ?, ?, 'preference', 'prefer', 'user', 1.0, 'active', '', ?)",
            (
                ("default", name, f"i-{number}", now, INSTRUCTIONS[number % len(INSTRUCTIONS)])
                for number, name in enumerate(names)
            ),
        )


def beside_encoding(
    engine: PersonaEngine, user: User, *, rounds: int, calls: int
) -> tuple[Cost, Cost]:
    """Return what `User.personalize` costs, and the sentence encoder on the same request."""
    encoder = engine.plugins.create(
        "encoder", "sentence", weights=resolve(engine.config.sentence_encoder)
    )
    return in_turns(
        lambda number: user.personalize([{"role": "user", "content": request(number)}]),
        lambda number: encoder.encode([()], [request(number)]),
        rounds=rounds,
        calls=calls,
    )


def personalize(engine: PersonaEngine, *, users: int, rounds: int, calls: int) -> dict[str, Figure]:
    """Measure `User.personalize` against the sentence encoder on the same request."""
    user = engine.user("measured")
    for text in INSTRUCTIONS:
        user.instruct(text)
    populate(Path(engine.config.database.removeprefix("sqlite:///")), users)
    known = len(user.instructions())
    say(f"personalize: {len(engine.store.tenant('default').users()):,} users, {known} instructions")
    whole, part = beside_encoding(engine, user, rounds=rounds, calls=calls)
    return {
        "personalize_over_encoding": Figure(
            whole.cpu / part.cpu, "ratio of CPU time", 1.3, f"{1e3 * part.cpu:.2f} ms"
        ),
        "personalize_ms": Figure(1e3 * whole.cpu, "CPU ms"),
        "personalize_users": Figure(users + 1, "users", baseline=f"{known} instructions"),
    }


def select_among_many(
    engine: PersonaEngine, *, instructions: int, rounds: int, calls: int
) -> dict[str, Figure]:
    """Measure `User.personalize` for a person of many instructions against encoding the request."""
    user = engine.user("instructed")
    rows = engine.store.user(user.scope)
    now = datetime.now(UTC)
    for number in range(instructions):
        style = INSTRUCTIONS[number % len(INSTRUCTIONS)]
        rows.add_instruction(Instruction(f"many-{number}", many(style, number), now))
    whole, part = beside_encoding(engine, user, rounds=rounds, calls=calls)
    return {
        "select_among_many_over_encoding": Figure(
            whole.cpu / part.cpu, "ratio of CPU time", 1.5, f"{1e3 * part.cpu:.2f} ms"
        ),
        "select_among_many_ms": Figure(1e3 * whole.cpu, "CPU ms"),
        "select_among_many_instructions": Figure(len(user.instructions()), "instructions"),
    }


def learn_from_new_texts(engine: PersonaEngine, *, rounds: int, calls: int) -> dict[str, Figure]:
    """Measure `User.prefer` on texts never seen against encoding its two texts."""
    user = engine.user("new-texts")
    generator = engine.plugins.create(
        "generator", engine.config.generator_plugin, weights=resolve(str(engine.config.generator))
    )
    encoder: Encoder = generator.feature_encoder

    def prefer(number: int) -> None:
        a, b = _pair(number)
        user.prefer(Question(f"own-{number}", request(number), a, b), "a")

    def encode(number: int) -> None:
        prompt = [{"role": "user", "content": request(number)}]
        encoder.encode([prompt, prompt], _pair(number))

    whole, part = in_turns(prefer, encode, rounds=rounds, calls=calls)
    return {
        "prefer_new_over_encoding": Figure(
            whole.cpu / part.cpu, "ratio of CPU time", 1.3, f"{1e3 * part.cpu:.1f} ms"
        ),
        "prefer_new_ms": Figure(1e3 * whole.cpu, "CPU ms"),
    }


def learn_from_cached_texts(
    engine: PersonaEngine, folder: Path, *, rounds: int, calls: int
) -> dict[str, Figure]:
    """Measure `User.prefer` on bank questions against one durable insert beside the store."""
    user = engine.user("cached-texts")
    bank = question_bank()
    with closing(_raw_table(folder / "raw.db")) as raw:
        whole, part = in_turns(
            lambda number: user.prefer(bank[number % len(bank)], "a"),
            lambda number: _insert(raw, bank[number % len(bank)]),
            rounds=rounds,
            calls=calls,
        )
    return {
        "prefer_cached_over_insert": Figure(
            whole.wall / part.wall, "ratio of wall time", 3.0, f"{1e3 * part.wall:.2f} ms"
        ),
        "prefer_cached_ms": Figure(1e3 * whole.wall, "wall ms"),
        "prefer_cached_over_insert_cpu": Figure(
            whole.cpu / part.cpu, "ratio of CPU time", baseline=f"{1e3 * part.cpu:.2f} ms"
        ),
    }


def imports(*, rounds: int) -> dict[str, Figure]:
    """Measure `import persona_engine` against `import numpy`, each in a process of its own."""
    measured: dict[str, list[float]] = {"persona_engine": [], "numpy": []}
    for _, name in itertools.product(range(rounds), measured):
        measured[name].append(float(_python(_TIMED_IMPORT.format(name))))
    ours, numpy = median(measured["persona_engine"]), median(measured["numpy"])
    loaded = json.loads(_python(_LOADED.format(HEAVY)))
    return {
        "import_over_numpy": Figure(
            ours / numpy, "ratio of CPU time", 2.0, f"{1e3 * numpy:.1f} ms"
        ),
        "import_ms": Figure(1e3 * ours, "CPU ms"),
        "heavy_modules_loaded": Figure(len(loaded), "modules", 0, ", ".join(loaded) or "none"),
    }


_TIMED_IMPORT = "from time import process_time as t; s = t(); import {}; print(t() - s)"
_LOADED = (
    "import sys, json, persona_engine; print(json.dumps([n for n in {!r} if n in sys.modules]))"
)


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def _pair(number: int) -> tuple[str, str]:
    return reply(2 * number), reply(2 * number + 1)


def _timed(call: Callable[[int], object], number: int) -> Cost:
    cpu, wall = time.process_time(), time.perf_counter()
    call(number)
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def _median(costs: list[Cost]) -> Cost:
    return Cost(median(each.cpu for each in costs), median(each.wall for each in costs))


def _raw_table(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, prompt, chosen, rejected)")
    return connection


def _insert(connection: sqlite3.Connection, question: Question) -> None:
    connection.execute(
        "INSERT INTO event (prompt, chosen, rejected) VALUES (?, ?, ?)",
        (question.prompt, question.a, question.b),
    )


def measure(folder: Path, *, quick: bool) -> Iterator[dict[str, Figure]]:
    """Yield the figures of each part."""
    rounds = 5
    yield imports(rounds=rounds if quick else 11)
    config = EngineConfig(database=f"sqlite:///{folder}/persona.db", data_folder=folder / "indexes")
    with PersonaEngine(config=config) as engine:
        yield learn_from_cached_texts(engine, folder, rounds=rounds, calls=5 if quick else 60)
        say("cached texts done")
        yield personalize(
            engine,
            users=1_000 if quick else 100_000,
            rounds=rounds,
            calls=3 if quick else 30,
        )
        yield select_among_many(engine, instructions=200, rounds=rounds, calls=3 if quick else 30)
        yield learn_from_new_texts(engine, rounds=rounds, calls=1 if quick else 6)


def main() -> None:
    """Run and report."""
    options = arguments(__doc__ or "").parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: CPU time adds up
    figures: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory() as folder:
        for part in measure(Path(folder), quick=options.quick):
            figures.update(part)
    finish(figures, seed=options.seed, as_json=options.json)


if __name__ == "__main__":
    main()

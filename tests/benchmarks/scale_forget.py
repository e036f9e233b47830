"""Forgetting one person among a million, and what is found of them afterwards.

A million people with eight comparisons each, their posteriors, the population that learned from all
of them and the index of users; some of them have unique words in their texts. Each of these is
forgotten, timed, and every file of the folder is searched for the words and the names.
"""

from __future__ import annotations

import mmap
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from report import Figure, say
from scale_host import opened, percentiles, prepare, reply, words
from unlearned import influence

from persona_engine import PersonaEngine
from persona_engine.features import Text
from persona_engine.store.codec import encode_posterior
from persona_engine.types import Population, PreferenceData

EACH, FITTED, POOL = 8, 2_000, 2_000
FORGOTTEN = 20
SIGN = "zebraquagga"
"""In the names and in all texts of those who are forgotten."""

_NOW = 1_700_000_000_000_000


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures."""
    people = 3_000 if quick else 1_000_000
    figures = influence(quick=quick, seed=seed)
    with tempfile.TemporaryDirectory(prefix="persona-forget-") as place:
        figures.update(_among(Path(place), people, seed))
    return figures


def _among(place: Path, people: int, seed: int) -> dict[str, Figure]:
    prepare(place)
    with opened(place, instruction_budget=64) as engine:
        population = _population(engine, people, seed)
        say(f"  {people:,} people are written")
        _write_people(engine, place, people, population)
        names = [f"u{number:07d}" for number in range(people)] + _forgotten()
        engine.store.tenant("default").save_population(population, users=names)
        engine.store.tenant("default").publish(population.version)
        for name in _forgotten():
            engine.user(name).profile()
        say("  the index is built")
        started = time.perf_counter()
        engine.user(_forgotten()[0]).neighbours()
        built = time.perf_counter() - started
        _settle(engine, place)
        size = sum(each.stat().st_size for each in place.rglob("*") if each.is_file())
        before = _found(place)
        seconds, receipts = [], []
        for name in _forgotten():
            started = time.perf_counter()
            receipts.append(engine.user(name).forget())
            seconds.append(time.perf_counter() - started)
        after = _found(place)
    slowest = round(1e3 * max(seconds), 1)
    told = percentiles(seconds)
    say(f"  found before: {before}, after: {after}; receipt: {receipts[-1]}")
    return {
        "forget_people": Figure(people, "people"),
        "forget_files": Figure(round(size / 2**20), "MiB"),
        "forget_p50": Figure(told["p50"], "ms", 100.0),
        "forget_p95": Figure(told["p95"], "ms", 100.0),
        "forget_slowest": Figure(slowest, "ms", None),
        "forget_index_built": Figure(round(built, 1), "s"),
        "forget_index_vectors": Figure(
            sum(each.index_vectors["users"] for each in receipts),
            "vectors",
            FORGOTTEN,
            sense="exactly",
        ),
        "forget_found_before": Figure(sum(before.values()), "places", 1, sense="at least"),
        "forget_found_afterwards": Figure(sum(after.values()), "places", 0, sense="exactly"),
    }


def _settle(engine: PersonaEngine, place: Path) -> None:
    """Write to the disk what was only handed to the system, as imports and fits do at their end."""
    engine.store.flush_log(patience=60.0)
    for each in place.rglob("*"):
        if each.is_file():
            with each.open("rb") as stream:
                os.fsync(stream.fileno())


def _forgotten() -> list[str]:
    """Return who is forgotten; their names lie all over the order of names."""
    return [f"u{number * 49_999:07d}{SIGN}" for number in range(FORGOTTEN)]


def _population(engine: PersonaEngine, people: int, seed: int) -> Population:
    """Fit on some people; it is said to have learned from all."""
    rng, known = np.random.default_rng(seed), words()
    fitted = min(FITTED, people)
    texts = [reply(rng, known, homely=bool(each % 2)) for each in range(POOL)]
    learner = engine._runtime.learner  # the bench stands in for a bulk import
    features = learner.features.get("default", [Text(each, "Where?") for each in texts])
    user = np.repeat(np.arange(fitted), EACH)
    homely, other = (2 * rng.integers(0, POOL // 2, len(user)) + side for side in (1, 0))
    likes = (user % 2 == 1)[:, None]
    chosen = np.where(likes, features[homely], features[other])
    rejected = np.where(likes, features[other], features[homely])
    fingerprint = learner.features.encoder.fingerprint
    data = PreferenceData(chosen, rejected, user, fingerprint)
    return learner.model.fit(data, rng=np.random.default_rng(seed))


def _write_people(engine: PersonaEngine, place: Path, people: int, population: Population) -> None:
    """Write rows as a bulk import would, with posteriors as the population gives them."""
    rng, known = np.random.default_rng(1), words()
    texts = [reply(rng, known, homely=bool(each % 2)) for each in range(POOL)]
    learner = engine._runtime.learner
    features = learner.features.get("default", [Text(each, "Where?") for each in texts])
    blobs = []
    for each in range(1_000):
        pairs = rng.integers(0, POOL // 2, (2, EACH))
        order = 2 * pairs[0] + each % 2, 2 * pairs[1] + 1 - each % 2
        data = PreferenceData(
            features[order[0]], features[order[1]], np.zeros(EACH, np.int64), population.fingerprint
        )
        blobs.append(encode_posterior(learner.model.infer(population, data.evidence(0))))
    with sqlite3.connect(place / "persona.db") as raw:
        raw.execute("PRAGMA synchronous=OFF")
        raw.execute(
            "INSERT OR IGNORE INTO tenant (tenant, created_at) VALUES ('default', ?)", (_NOW,)
        )
        raw.executemany(
            "INSERT INTO app_user (tenant, user, created_at) VALUES ('default', ?, ?)",
            ((name, _NOW) for name in _everybody(people)),
        )
        raw.executemany(
            "INSERT INTO comparison (tenant, user, id, created_at, weight, tie, source, ordinal, "
            "prompt, chosen, rejected) VALUES ('default', ?, ?, ?, 1, 0, 'comparison', 0, ?, ?, ?)",
            _comparisons(people, texts),
        )
        raw.executemany(
            "INSERT INTO posterior (tenant, user, reward_model, population, count, version, stamp, "
            f"updated_at, blob) VALUES ('default', ?, 'hierarchical', '{population.version}', "
            f"{EACH}, 1, ?, {_NOW}, ?)",
            (
                (f"u{number:07d}", int(rng.integers(2**40)), blobs[number % len(blobs)])
                for number in range(people)
            ),
        )


def _everybody(people: int) -> Iterator[str]:
    yield from (f"u{number:07d}" for number in range(people))
    yield from _forgotten()


def _comparisons(people: int, texts: list[str]) -> Iterator[tuple[object, ...]]:
    """Yield rows in the order in which they came in: everybody's first, then their second."""
    forgotten = set(_forgotten())
    for answer in range(EACH):
        for place, name in enumerate(_everybody(people)):
            mine = f" {SIGN} {place} {answer}" if name in forgotten else ""
            one = texts[(place * 31 + answer * 7) % POOL] + mine
            other = texts[(place * 17 + answer * 11 + 1) % POOL] + mine
            yield name, f"{answer}", _NOW + answer, f"Where?{mine}", one, other


def _found(place: Path) -> dict[str, int]:
    """Return how often the sign stands in each file that has it."""
    counts = {}
    for each in sorted(place.rglob("*")):
        if each.is_file() and each.stat().st_size:
            with (
                each.open("rb") as stream,
                mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as it,
            ):
                count, at = 0, it.find(SIGN.encode())
                while at >= 0:
                    count, at = count + 1, it.find(SIGN.encode(), at + 1)
            if count:
                counts[each.name] = count
    return counts

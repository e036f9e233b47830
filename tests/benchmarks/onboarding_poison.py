"""What label-flipping by 5% coordinated users does to everybody else's predictions.

Into the people whom a population is fitted on come liars: 5% as many as there are, at the same
time, each giving the answers of a few honest people the wrong way round, and as many as an
honest person of median zeal times ``ZEAL``. The accuracy of unseen honest people after eight
answers, mean over 0, 2 and 8, is measured on populations fitted without liars, with them, and with
them behind the guard of ``persona fit``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onboarding_crowds import Crowd, crowd, right
from report import Figure, say

from persona_bradley_terry import BradleyTerry
from persona_engine.trust import GuardReport, guarded
from persona_engine.types import FloatArray, Population, PreferenceData
from persona_hierarchical.reward_model import Hierarchical

SHARE, TARGET, ZEAL = 0.05, 0.01, 3
SHOTS = (0, 2, 8)
SETS = ("ssis", "vtaiwan")
_DAY = 86_400.0


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return how far liars move honest people, with and without the guard."""
    figures: dict[str, Figure] = {}
    for name in SETS[:1] if quick else SETS:
        people = crowd(folder, name, seed=seed, support=16, quick=quick)
        if people is not None:
            figures.update(_measured(people, seed))
    return figures


def _measured(people: Crowd, seed: int) -> dict[str, Figure]:
    honest = people.data()
    names, began = _names(honest), _DAY * np.arange(len(honest.users), dtype=np.float64)
    poisoned, liars = with_liars(honest, np.random.default_rng(seed))
    all_names = (*names, *(f"liar-{each}" for each in range(liars)))
    all_began = np.concatenate([began, began[-1] + np.arange(liars, dtype=np.float64)])
    plain = accuracy(people, fitted(honest, honest.weight, seed))
    weight, _ = guard(honest, names, began, seed)
    spared = accuracy(people, fitted(honest, weight, seed))
    struck = accuracy(people, fitted(poisoned, poisoned.weight, seed))
    weight, report = guard(poisoned, all_names, all_began, seed)
    held = accuracy(people, fitted(poisoned, weight, seed))
    say(f"{people.name}: {plain:.4f} honest, {struck:.4f} struck, {held:.4f} guarded, {report}")
    caught = sum(each.users for each in report.bursts if each.kind == "simultaneous")
    begin = f"poison_{people.name}"
    base = f"{plain:.4f} without liars; {liars} liars among {len(names)} users"
    return {
        f"{begin}_moved": Figure(abs(held - plain), "accuracy", TARGET, base),
        f"{begin}_moved_without_guard": Figure(abs(struck - plain), "accuracy", None, base),
        f"{begin}_guard_costs": Figure(plain - spared, "accuracy", TARGET, "nobody lies"),
        f"{begin}_liars_weight": Figure(
            float(weight[poisoned.user >= len(names)].sum() / weight.sum()),
            "share of what is learned",
            None,
            f"{float((poisoned.user >= len(names)).mean()):.3f} of the comparisons are theirs",
        ),
        f"{begin}_liars_reported": Figure(caught, "users", liars, None, "at least"),
    }


def with_liars(data: PreferenceData, rng: np.random.Generator) -> tuple[PreferenceData, int]:
    """Return the data with liars added, and how many.

    They work in concert: all turn round what the same few honest people said.
    """
    users, counts = np.unique(data.user, return_counts=True)
    liars = max(2, round(SHARE * len(users)))
    each = int(ZEAL * np.median(counts))
    pool = np.flatnonzero(np.isin(data.user, rng.permutation(users)[: max(5, len(users) // 5)]))
    rows = np.concatenate(
        [rng.choice(pool, min(each, len(pool)), replace=False) for _ in range(liars)]
    )
    user = np.repeat(np.arange(liars), len(rows) // liars) + int(users.max()) + 1
    return (
        PreferenceData(
            np.concatenate([data.chosen, data.rejected[rows]]),
            np.concatenate([data.rejected, data.chosen[rows]]),
            np.concatenate([data.user, user]),
            data.fingerprint,
        ),
        liars,
    )


def guard(
    data: PreferenceData, names: tuple[str, ...], began: NDArray[np.float64], seed: int
) -> tuple[FloatArray, GuardReport]:
    """Return what each comparison counts behind the guard of ``persona fit``."""
    return guarded(data, names, began, pooled=BradleyTerry(), rng=np.random.default_rng(seed))


def fitted(data: PreferenceData, weight: FloatArray, seed: int) -> Population:
    """Return the default model's population."""
    return Hierarchical().fit(replace(data, weight=weight), rng=np.random.default_rng(seed))


def accuracy(people: Crowd, population: Population) -> float:
    """Return the mean over unseen people and numbers of answers."""
    model, shares = Hierarchical(), []
    for case in people.cases:
        asked = people.evidence(case.query)
        told = people.evidence(case.support)
        for shots in SHOTS:
            posterior = model.infer(population, told.take(range(shots)))
            shares.append(right(model, population, posterior, asked))
    return float(np.mean(shares))


def _names(data: PreferenceData) -> tuple[str, ...]:
    return tuple(f"user-{each}" for each in data.users)

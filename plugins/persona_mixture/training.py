"""Fits a population of user groups: settings on held-out users, then EM on everybody."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from persona_engine.interfaces import Progress
from persona_engine.modelling import (
    Differences,
    Groups,
    choose_ridge,
    crowd_of,
    fit_groups,
    fit_ridge,
    folds_of_users,
    head_metric,
    laplace_covariance,
    principal_differences,
)
from persona_engine.types import Population, PreferenceData
from persona_mixture.selection import RIDGES, SIZES, Choice, Trials

_LEAST_USERS = 8  # with fewer nobody can be held out to see whether groups exist


def fit_population(
    data: PreferenceData,
    *,
    name: str,
    components: int | None,
    max_components: int,
    hard: bool,
    restarts: int,
    folds: int,
    keep: float,
    rng: np.random.Generator,
    progress: Progress,
) -> Population:
    """Return the population of `persona_mixture.Mixture`."""
    differences = principal_differences(data, keep=keep)
    parts = folds_of_users(data.user, count=folds, rng=rng)
    total = len(parts) + len(RIDGES) + len(SIZES) + 3
    shared_ridge, _ = choose_ridge(differences, parts, lambda done: progress(name, done, total))
    choice = _choose(
        differences,
        parts,
        components=components,
        max_components=max_components,
        hard=hard,
        shared_ridge=shared_ridge,
        rng=rng,
        report=lambda done: progress(name, min(len(parts) + done, total - 1), total),
    )
    shared = fit_ridge(differences, differences.weight, shared_ridge)
    crowd = crowd_of(differences, np.ones(len(data), bool))
    fitted = fit_groups(
        crowd, shared, choice.size, ridge=choice.ridge, restarts=restarts, rng=rng, hard=hard
    )
    groups = _by_share(fitted.groups)
    covariance, inflation = laplace_covariance(differences, shared, shared_ridge)
    factor = np.linalg.cholesky(inflation * covariance)  # (R, R)
    progress(name, total, total)
    return Population(
        reward_model=name,
        fingerprint=data.fingerprint,
        arrays={
            "heads": (differences.axes @ groups.heads).astype(np.float32),
            "prior": groups.prior,
            "shared_factor": (differences.axes @ factor).astype(np.float32),
            "centre": differences.centre,
            "embedding": head_metric(groups.heads, differences.moment).astype(np.float32),
        },
        meta={
            "components": groups.size,
            "assignment": "hard" if hard else "soft",
            "ridge": choice.ridge,
            "shared_ridge": shared_ridge,
            "held_out_gain": choice.gain,
            "held_out_gain_error": choice.gain_error,
            "rounds": fitted.rounds,
            "users": len(crowd.users),
            "comparisons": len(data),
        },
    )


def _choose(
    differences: Differences,
    parts: list[np.ndarray],
    *,
    components: int | None,
    max_components: int,
    hard: bool,
    shared_ridge: float,
    rng: np.random.Generator,
    report: Callable[[int], None],
) -> Choice:
    users = len(np.unique(differences.user[differences.weight > 0]))
    sizes = [size for size in SIZES if size <= min(max_components, users // 4)]
    if components is not None:
        sizes = [components] if 1 < components <= users else []
    seed = int(rng.integers(2**31))
    if users < _LEAST_USERS or not sizes:
        return Choice(1 if components is None else min(components, users), RIDGES[-1], 0.0, 0.0)
    trials = Trials(
        differences, parts, shared_ridge=shared_ridge, hard=hard, seed=seed, report=report
    )
    choice = trials.choose(sizes)
    if components is None:
        return choice
    return Choice(components, choice.ridge, choice.gain, choice.gain_error)


def _by_share(groups: Groups) -> Groups:
    """Return the same groups, the one of most users first."""
    order = np.argsort(-groups.prior, kind="stable")
    return Groups(groups.heads[:, order], groups.prior[order])

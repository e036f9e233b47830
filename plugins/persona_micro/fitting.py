"""Fits a population of routed heads: a start by EM, then training, then Hedge's learning rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from persona_engine.interfaces import Progress
from persona_engine.modelling import (
    Differences,
    choose_ridge,
    fit_ridge,
    folds_of_users,
    head_metric,
    laplace_covariance,
    principal_differences,
)
from persona_engine.types import Population, PreferenceData
from persona_micro.routing import RATES, Comparisons, log_softmax
from persona_micro.starts import Prompts, reduce_prompts, starts_of
from persona_micro.training import Routed, Task, train_routed

_LEAST_USERS = 8  # with fewer nobody can be held out
_LEAST_GAIN = 2e-3  # nats per comparison: less is not worth a worse guess for a stranger
RIDGES = (10.0, 30.0, 100.0, 300.0)
"""Penalties of what sets a head apart to choose from, in units of comparisons."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The best start after training, and how it does on held-out users."""

    routed: Routed
    rate: float
    ridge: float
    gain: float
    gain_error: float


def fit_population(
    data: PreferenceData,
    *,
    name: str,
    heads: int,
    balance: float,
    keep: float,
    rng: np.random.Generator,
    progress: Progress,
) -> Population:
    """Return the population of `persona_micro.Micro`."""
    differences = principal_differences(data, keep=keep)
    prompts = reduce_prompts(data)
    folds = folds_of_users(data.user, count=4, rng=rng)
    total = len(folds) + 3
    ridge, _ = choose_ridge(differences, folds, lambda done: progress(name, done, total))
    users = len(np.unique(differences.user[differences.weight > 0]))
    size = min(heads, users // 4)
    found = None
    if users >= _LEAST_USERS and size > 1:
        found = _search(
            differences,
            prompts,
            folds[0],
            shared_ridge=ridge,
            size=size,
            balance=balance,
            rng=rng,
            report=lambda done: progress(name, len(folds) + done, total),
        )
    progress(name, total, total)
    return _population(name, data, differences, prompts, found=found, ridge=ridge)


def _search(
    differences: Differences,
    prompts: Prompts,
    held_out: NDArray[np.bool_],
    *,
    shared_ridge: float,
    size: int,
    balance: float,
    rng: np.random.Generator,
    report: Callable[[int], None],
) -> Chosen | None:
    """Return the start and the rate that predict held-out users best; None if pooled does."""
    weight = np.where(held_out, 0.0, differences.weight).astype(np.float32)
    seen, unseen = weight > 0, held_out & (differences.weight > 0)
    if not (seen.any() and unseen.any()):
        return None
    shared = fit_ridge(differences, weight, shared_ridge)
    task = Task(
        _comparisons(differences, prompts, seen),
        _comparisons(differences, prompts, unseen),
        shared,
        RIDGES[0],
        balance,
    )
    seed = int(rng.integers(2**63))
    starts = [
        starts_of(differences, prompts, seen, shared=shared, size=size, ridge=ridge, seed=seed)
        for ridge in RIDGES
    ]
    report(1)
    best: Chosen | None = None
    for kind in zip(*starts, strict=True):  # users, then prompts: the same start by each penalty
        place = int(np.argmax([task.gain(start, 1.0).mean() for start in kind]))
        routed = train_routed(replace(task, ridge=RIDGES[place]), kind[place], rng=rng)
        for rate in RATES:
            gain = task.gain(routed, rate)
            if best is None or gain.mean() > best.gain:
                error = float(gain.std(ddof=1) / np.sqrt(len(gain)))
                best = Chosen(routed, rate, RIDGES[place], float(gain.mean()), error)
    report(2)
    worth = best is not None and best.gain > max(2.0 * best.gain_error, _LEAST_GAIN)
    return best if worth else None


def _comparisons(
    differences: Differences, prompts: Prompts, rows: NDArray[np.bool_]
) -> Comparisons:
    order = np.flatnonzero(rows)
    order = order[np.argsort(differences.user[order], kind="stable")]
    _, owner = np.unique(differences.user[order], return_inverse=True)
    return Comparisons(
        differences.rows[order],
        differences.weight[order],
        differences.target[order],
        owner,
        prompts.reduced[order],
    )


def _population(
    name: str,
    data: PreferenceData,
    differences: Differences,
    prompts: Prompts,
    *,
    found: Chosen | None,
    ridge: float,
) -> Population:
    shared = fit_ridge(differences, differences.weight, ridge)
    covariance, inflation = laplace_covariance(differences, shared, ridge)
    factor = np.linalg.cholesky(inflation * covariance)  # (R, R)
    if found is None:
        width = prompts.axes.shape[1]
        everybody = Routed(
            shared[:, None].astype(np.float32),
            np.zeros((width, 1), np.float32),
            np.zeros(1, np.float32),
        )
        found = Chosen(everybody, 1.0, RIDGES[-1], 0.0, 0.0)
    routed = found.routed
    chances = np.exp(log_softmax(routed.logits(prompts.reduced)))  # (N, K)
    return Population(
        reward_model=name,
        fingerprint=data.fingerprint,
        arrays={
            "heads": (differences.axes @ routed.heads).astype(np.float32),
            "prior": chances.mean(0),
            "router": (prompts.axes @ routed.router).astype(np.float32),
            "router_bias": routed.bias,
            "prompt_centre": prompts.centre,
            "shared_factor": (differences.axes @ factor).astype(np.float32),
            "centre": differences.centre,
            "embedding": head_metric(routed.heads.astype(np.float64), differences.moment).astype(
                np.float32
            ),
        },
        meta={
            "heads": len(routed.bias),
            "rate": found.rate,
            "ridge": found.ridge,
            "shared_ridge": ridge,
            "held_out_gain": found.gain,
            "held_out_gain_error": found.gain_error,
            "users": len(data.users),
            "comparisons": len(data),
        },
    )

"""Fits a population of user groups: settings on held-out users, then EM on everybody."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from persona_engine.interfaces import Progress
from persona_engine.modelling import (
    Crowd,
    Differences,
    Doubles,
    Groups,
    choose_ridge,
    crowd_of,
    fit_groups,
    fit_ridge,
    folds_of_users,
    principal_differences,
    responsibilities,
    sigmoid,
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
    head_variance = _head_variance(crowd, groups, choice.ridge)
    progress(name, total, total)
    return Population(
        reward_model=name,
        fingerprint=data.fingerprint,
        arrays={
            "heads": (differences.axes @ groups.heads).astype(np.float32),
            "prior": groups.prior,
            "axes": differences.axes.astype(np.float32),
            "head_variance": head_variance.astype(np.float32),
            "centre": differences.centre,
            "embedding": _embedding(groups.heads, differences.moment).astype(np.float32),
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


def _head_variance(crowd: Crowd, groups: Groups, ridge: float) -> Doubles:
    """Return Laplace's variance of each head along each axis, ``(R, K)``.

    In the principal axes the information is near to diagonal; what is off it is left out.
    """
    share = responsibilities(groups.log_joint(crowd))[crowd.owner]  # (N, K)
    p = sigmoid(crowd.rows @ groups.heads.astype(np.float32))
    bend = (share * crowd.weight[:, None] * p * (1.0 - p)).astype(np.float32)
    variance: Doubles = 1.0 / (np.square(crowd.rows).T @ bend + ridge)
    return variance


def _embedding(heads: Doubles, moment: Doubles) -> Doubles:
    """Return ``(K, K)`` that makes the cosine of two users the correlation of their logits."""
    gram = heads.T @ (moment[:, None] * heads)
    values, vectors = np.linalg.eigh(gram)
    root: Doubles = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root

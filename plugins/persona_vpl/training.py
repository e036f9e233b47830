"""Fitting: the pooled reward first, then the networks, by few-shot prediction of users' answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from persona_engine.interfaces import Progress
from persona_engine.modelling import (
    Differences,
    Doubles,
    Schedule,
    choose_ridge,
    fit_ridge,
    folds_of_users,
    principal_differences,
    train,
)
from persona_engine.types import FloatArray, IntArray, Population, PreferenceData
from persona_vpl.belief import spread_points
from persona_vpl.elbo import Elbo, Rows
from persona_vpl.sampling import Draw
from persona_vpl.settings import Settings
from persona_vpl.start import first_values

LEAST_USERS = 8
"""With fewer people to learn from, nothing personal is looked for."""

_SPREADS = (0.5, 0.7, 1.0, 1.4, 2.0)
_HELD_OUT, _MOST_HELD_OUT = 0.15, 64  # share of users that training stops by, and the most of them
_ACTIVE = 0.01  # variance of a unit's mean over users from which it counts as active
_REFERENCES = 64


def fit_population(
    data: PreferenceData,
    *,
    name: str,
    settings: Settings,
    rng: np.random.Generator,
    progress: Progress,
) -> Population:
    """Return the population; without a held-out gain it is the pooled model exactly."""
    differences = principal_differences(data, keep=settings.keep)
    folds = folds_of_users(data.user, count=5, rng=rng)
    total = settings.steps + len(folds)
    ridge, losses = choose_ridge(differences, folds, lambda done: progress(name, done, total))
    pooled = fit_ridge(differences, differences.weight, ridge)
    rows, scale = _rows(data, differences, pooled)
    found, figures = _networks(
        rows, settings, rng, lambda done, _: progress(name, len(folds) + done, total)
    )
    progress(name, total, total)
    return Population(
        reward_model=name,
        fingerprint=data.fingerprint,
        arrays=found
        | {
            "axes": (differences.axes / scale).astype(np.float32),
            "centre": differences.centre,
            "pooled": (scale * pooled).astype(np.float32),
            "references": _references(rows, rng),
        },
        meta={
            "aggregation": settings.aggregation,
            "latent": settings.latent,
            "flows": settings.flows,
            **figures,
            "pooled_ridge": ridge,
            "pooled_held_out_nll": float(losses.min()),
            "axes": len(pooled),
            "users": len(data.users),
            "comparisons": len(data),
        },
    )


def _rows(data: PreferenceData, differences: Differences, pooled: Doubles) -> tuple[Rows, float]:
    """Return the comparisons in axes scaled to a mean square of 1, and the scale."""
    chosen, rejected = differences.project(data.chosen), differences.project(data.rejected)
    square = 0.5 * (np.square(chosen).mean() + np.square(rejected).mean())
    scale = float(np.sqrt(max(float(square), 1e-12)))
    _, user = np.unique(data.user, return_inverse=True)
    return (
        Rows(
            chosen=chosen / np.float32(scale),
            rejected=rejected / np.float32(scale),
            pooled=differences.rows @ pooled.astype(np.float32),
            weight=data.weight,
            target=data.target,
            user=user.astype(np.int64),
        ),
        scale,
    )


def _networks(
    rows: Rows, settings: Settings, rng: np.random.Generator, report: Callable[[int, int], None]
) -> tuple[dict[str, FloatArray], dict[str, Any]]:
    """Return the networks' arrays with the spread's factor, and figures for the meta."""
    start = first_values(rows.chosen.shape[1], settings, rng)
    people = rng.permutation(int(rows.user.max()) + 1)
    count = max(1, min(_MOST_HELD_OUT, int(_HELD_OUT * len(people))))
    held_out, seen = people[:count], people[count:]
    usable = len(people) >= LEAST_USERS and bool(rows.weight[np.isin(rows.user, seen)].any())
    if not usable or not rows.weight[np.isin(rows.user, held_out)].any():
        return _pooled_only(start), {"personal": False, "active_units": 0.0, "steps": 0}
    elbo = Elbo(rows, settings, rng)
    draws = elbo.held_out_draws(held_out, rng)
    trained = train(
        start,
        lambda parameters, items: elbo.loss(parameters, seen[items]),
        items=len(seen),
        schedule=Schedule(
            steps=settings.steps,
            learning_rate=settings.learning_rate,
            decay=settings.decay,
            batch=48,
            every=25,
            patience=8,
        ),
        rng=rng,
        held_out_loss=lambda parameters: elbo.held_out_loss(parameters, draws),
        report=report,
    )
    if trained.steps == 0:
        return _pooled_only(start), {"personal": False, "active_units": 0.0, "steps": 0}
    spread, loss = _choose_spread(elbo, trained.parameters, draws)
    figures = {
        "personal": True,
        "active_units": _active_units(elbo, trained.parameters, seen, settings, rng),
        "steps": trained.steps,
        "held_out_nll": loss,
        "spread": spread,
    }
    return trained.parameters | {"spread": np.array([spread], np.float32)}, figures


def _pooled_only(start: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return networks that add nothing to the pooled reward."""
    last = ("reward.2.weight", "reward.2.bias")
    silent = {name: np.zeros_like(start[name]) for name in last}
    return {**start, **silent, "spread": np.ones(1, np.float32)}


def _choose_spread(
    elbo: Elbo, parameters: Mapping[str, FloatArray], draws: list[Draw]
) -> tuple[float, float]:
    """Return the factor on the latent's deviation that predicts best, and its loss.

    The reconstruction term alone would have no spread at all, and the divergence's weight is no
    likelihood: so what the posterior's width should be is read from held-out answers.
    """
    import torch

    with torch.no_grad():
        tensors = {name: torch.from_numpy(value) for name, value in parameters.items()}
        losses = [elbo.held_out_loss(tensors, draws, spread=each) for each in _SPREADS]
    best = int(np.argmin(losses))
    return _SPREADS[best], losses[best]


def _active_units(
    elbo: Elbo,
    parameters: Mapping[str, FloatArray],
    users: IntArray,
    settings: Settings,
    rng: np.random.Generator,
) -> float:
    """Return the share of latent units whose mean differs between users by a variance of 0.01.

    Burda, Grosse & Salakhutdinov (2016, arXiv:1509.00519).
    """
    import torch

    sizes = np.full(len(users), settings.context)
    draw = elbo.contexts.draw(users, sizes, rng)
    with torch.no_grad():
        tensors = {name: torch.from_numpy(value) for name, value in parameters.items()}
        belief, _ = elbo.beliefs(tensors, draw, swaps=settings.flows > 0)
        centre = torch.zeros(len(users), 1, settings.latent)
        mean = spread_points(tensors, belief, centre)[:, 0].numpy()
    return float((mean.var(0) > _ACTIVE).mean())


def _references(rows: Rows, rng: np.random.Generator) -> FloatArray:
    """Return responses ``(M, R)`` that rewards are compared with, drawn from all of them."""
    everything = len(rows.chosen)
    chosen = rng.choice(everything, min(_REFERENCES // 2, everything), replace=False)
    return np.concatenate([rows.chosen[chosen], rows.rejected[chosen]])

"""Fits heads, the users' prior over attributes, and attention, and writes them as a population."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from persona_attributes.gate import attention, fit_attention
from persona_attributes.heads import principal_heads
from persona_attributes.prior import (
    Prior,
    Solve,
    choose_spread,
    fit_prior,
    held_out_losses,
    pooled_prior,
)
from persona_engine.interfaces import Progress
from persona_engine.modelling import (
    AttributeHeads,
    Differences,
    Doubles,
    choose_ridge,
    fit_attribute_heads,
    fit_ridge,
    folds_of_users,
    laplace_covariance,
    principal_differences,
)
from persona_engine.types import Arrays, Evidence, FloatArray, Population, PreferenceData

Mask = NDArray[np.bool_]

_POOLED_FOLDS = 5
_FEWEST_USERS = 8
_CHOOSING = 6  # rounds of expectation maximisation while choosing
_FINAL = 15


@dataclass(frozen=True, slots=True)
class _Shared:
    """The reward that all users share.

    Args:
        differences: All comparisons on their principal axes.
        ridge: The penalty that predicts held-out users best.
        losses: Held-out loss of each penalty.
        weights: ``(R,)``.
    """

    differences: Differences
    ridge: float
    losses: Doubles
    weights: Doubles

    @property
    def direction(self) -> Doubles:
        """Return it over the raw features, ``(D,)``."""
        direction: Doubles = self.differences.axes @ self.weights
        return direction

    def without(self, held_out: Mask) -> Doubles:
        """Return the direction ``(D,)`` fitted without some rows."""
        weight = np.where(held_out, 0.0, self.differences.weight).astype(np.float32)
        direction: Doubles = self.differences.axes @ fit_ridge(self.differences, weight, self.ridge)
        return direction

    def doubt(self) -> Doubles:
        """Return a root ``(D, R)`` of the direction's covariance."""
        covariance, inflation = laplace_covariance(self.differences, self.weights, self.ridge)
        root: Doubles = self.differences.axes @ np.linalg.cholesky(inflation * covariance)
        return root


def fit_population(
    data: PreferenceData,
    *,
    name: str,
    folds: int,
    unnamed: int,
    keep: float,
    solve: Solve,
    rng: np.random.Generator,
    progress: Progress,
) -> Population:
    """Fit the heads, choose the prior's spread on held-out users, and return the population."""
    shared = _fit_shared(data, keep, rng)
    if data.attributes:
        heads = fit_attribute_heads(data.attributes)
    else:
        heads = principal_heads(shared.differences, unnamed)
    parts = folds_of_users(data.user, count=folds, rng=rng)
    progress(name, 1, len(parts) + 2)
    spread, gain = 0.0, 0.0
    if len(data.users) >= _FEWEST_USERS:
        losses = []
        for number, held_out in enumerate(parts):
            losses.append(_judge(data, shared, heads, held_out, solve))
            progress(name, 2 + number, len(parts) + 2)
        spread, gain = choose_spread(np.concatenate(losses, axis=1))
    directions = np.column_stack([shared.direction, heads.directions])  # (D, 1+K)
    prior, gate = pooled_prior(directions.shape[1]), dict[str, FloatArray]()
    if spread:
        prior, gate = _fit_users(members_of(data, directions), spread, solve, rng)
    progress(name, len(parts) + 2, len(parts) + 2)
    return Population(
        reward_model=name,
        fingerprint=data.fingerprint,
        arrays=_arrays(data, shared, directions, prior) | gate,
        meta={
            "attributes": list(heads.names),
            "named": bool(data.attributes),
            "head_accuracy": dict(zip(heads.names, heads.accuracy, strict=False)),
            "attention": bool(gate),
            "spread": spread,
            "held_out_gain": gain,
            "shared_ridge": shared.ridge,
            "held_out_pooled_nll": float(shared.losses.min()),
            "users": len(data.users),
            "comparisons": len(data),
        },
    )


def members_of(data: PreferenceData, directions: Doubles) -> list[Evidence]:
    """Return each user's comparisons in attribute space: their differences, ``(n, 1+K)``."""
    rows = (data.chosen - data.rejected) @ directions.astype(np.float32)
    order = np.argsort(data.user, kind="stable")
    bounds = np.flatnonzero(np.diff(data.user[order], prepend=-1, append=-1))
    everything = Evidence(rows, np.zeros_like(rows), data.weight, data.prompt, target=data.target)
    return [everything.take(order[begin:end]) for begin, end in pairwise(bounds)]


def _fit_shared(data: PreferenceData, keep: float, rng: np.random.Generator) -> _Shared:
    differences = principal_differences(data, keep=keep)
    parts = folds_of_users(data.user, count=_POOLED_FOLDS, rng=rng)
    ridge, losses = choose_ridge(differences, parts, lambda _: None)
    return _Shared(differences, ridge, losses, fit_ridge(differences, differences.weight, ridge))


def _judge(
    data: PreferenceData, shared: _Shared, heads: AttributeHeads, held_out: Mask, solve: Solve
) -> Doubles:
    """Return the losses of held-out users under each spread, ``(SPREADS, U)``."""
    directions = np.column_stack([shared.without(held_out), heads.directions])
    prior = fit_prior(members_of(data.take(~held_out), directions), solve, steps=_CHOOSING)
    others = members_of(data.take(held_out), directions)
    return held_out_losses(prior, others, pooled_prior(directions.shape[1]), solve)


def _fit_users(
    members: list[Evidence], spread: float, solve: Solve, rng: np.random.Generator
) -> tuple[Prior, dict[str, FloatArray]]:
    """Return the users' prior, and attention where it helps."""
    prior = fit_prior(members, solve, steps=_FINAL)
    gate = fit_attention(members, prior.scaled(spread), solve, rng=rng)
    if gate:
        members = [_attended(each, gate) for each in members]
        prior = fit_prior(members, solve, steps=_FINAL)
    return prior.scaled(spread), gate


def _attended(evidence: Evidence, gate: Arrays) -> Evidence:
    share = attention(gate, evidence.prompt, len(evidence))
    return evidence if share is None else replace(evidence, chosen=evidence.chosen * share)


def _arrays(
    data: PreferenceData, shared: _Shared, directions: Doubles, prior: Prior
) -> dict[str, FloatArray]:
    """Return what `LinearLatentModel` reads, in attribute space, and the way there.

    Attribute space is ``1 + K`` attributes and ``R`` directions of doubt about the shared reward,
    which carry no taste.
    """
    doubt = shared.doubt()
    width, extra = directions.shape[1], doubt.shape[1]
    latent = prior.root[:, np.abs(prior.root).sum(0) > 0.0]  # no columns where nothing is personal
    projection = np.zeros((width + extra, 1 + latent.shape[1]))
    projection[:width] = np.column_stack([prior.mean, latent])
    factor = np.zeros((width + extra, width + extra))
    factor[:width, :width], factor[width:, width:] = prior.doubt, np.eye(extra)
    rows = (data.chosen - data.rejected) @ directions
    seen = (rows * (data.weight / data.weight.sum())[:, None]).T @ rows  # (1+K, 1+K)
    metric = projection[:width].T @ seen @ projection[:width]
    metric += 1e-6 * max(1e-6, float(np.trace(metric))) * np.eye(len(metric))
    arrays = {
        "heads": np.column_stack([directions, doubt]),
        "origin": shared.differences.centre,
        "projection": projection,
        "shared_factor": factor,
        "centre": np.zeros(width + extra),
        "embedding": np.linalg.cholesky(metric).T,
    }
    return {key: np.ascontiguousarray(value, np.float32) for key, value in arrays.items()}

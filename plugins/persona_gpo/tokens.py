"""The space that tokens live in: the common taste, and the directions in which users differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from persona_engine.modelling import (
    Differences,
    Doubles,
    choose_ridge,
    fit_ridge,
    folds_of_users,
    laplace_covariance,
    principal_differences,
    residual,
    sigmoid,
)
from persona_engine.types import FloatArray, PreferenceData

_FOLDS = 5
_FLOOR = 0.02  # of the greatest eigenvalue: a direction that is barely used may still be learned


@dataclass(frozen=True, slots=True)
class TokenSpace:
    """Maps responses to the inputs of the network.

    Args:
        projection: ``(D, I)``: the first coordinate is the pooled reward, the others lie along the
            directions in which users differ most; each has root mean square 1.
        centre: ``(D,)`` the mean response, at 0.
        scale: ``(I,)`` what a unit of each coordinate is worth: the first in logits; one standard
            deviation of users' weights along the others.
        shared_factor: ``(D, R)`` root of the covariance of the pooled weights.
        ridge: Penalty of the pooled weights.
        held_out_nll: Loss of the pooled weights on held-out users.
    """

    projection: FloatArray
    centre: FloatArray
    scale: FloatArray
    shared_factor: FloatArray
    ridge: float
    held_out_nll: float


def token_space(
    data: PreferenceData, *, directions: int, keep: float, rng: np.random.Generator
) -> TokenSpace:
    """Fit the pooled weights and find the directions.

    Raises:
        InvalidInputError: No comparison has weight, or no two responses differ.
    """
    differences = principal_differences(data, keep=keep)
    folds = folds_of_users(data.user, count=_FOLDS, rng=rng)
    ridge, losses = choose_ridge(differences, folds, lambda _: None)
    pooled = fit_ridge(differences, differences.weight, ridge)
    covariance, inflation = laplace_covariance(differences, pooled, ridge)
    found = disagreement(differences, pooled, ridge, count=directions)
    weights = np.column_stack([pooled, found])  # (R, I)
    second_moment = np.einsum("ri,r,ri->i", weights, differences.moment, weights)
    scale = np.sqrt(np.maximum(second_moment, 1e-12))
    factor = np.linalg.cholesky(inflation * covariance)
    return TokenSpace(
        projection=(differences.axes @ (weights / scale)).astype(np.float32),
        centre=differences.centre,
        scale=scale.astype(np.float32),
        shared_factor=(differences.axes @ factor).astype(np.float32),
        ridge=ridge,
        held_out_nll=float(losses.min()),
    )


def disagreement(differences: Differences, pooled: Doubles, ridge: float, *, count: int) -> Doubles:
    """Return the directions ``(R, count)`` in which users' weights vary, times how much they do.

    Under the pooled weights the residuals ``r`` of two different comparisons of one user satisfy
    ``E[r_i r_j Δ_i Δ_jᵀ] = F Σ F`` to first order, ``F = E[p (1-p) Δ Δᵀ]`` and ``Σ`` the covariance
    of users' weights. Products of a residual with itself, which hold its noise, are left out.
    """
    rows = differences.rows
    logits = rows @ pooled.astype(np.float32)
    p = sigmoid(logits)
    pull = rows * (differences.weight * residual(logits, differences.target))[:, None]
    order = np.argsort(differences.user, kind="stable")
    _, begin, size = np.unique(differences.user[order], return_index=True, return_counts=True)
    summed = np.add.reduceat(pull[order], begin, axis=0)  # (U, R)
    pairs = max(1.0, float(np.square(size.astype(np.float64)).sum() - size.sum()))
    moment = (summed.T @ summed - pull.T @ pull).astype(np.float64) / pairs
    total = float(differences.weight.sum(dtype=np.float64))
    weighted = rows * np.sqrt(differences.weight * p * (1.0 - p))[:, None]
    values, vectors = np.linalg.eigh((weighted.T @ weighted).astype(np.float64) / total)
    root = (vectors / np.sqrt(np.maximum(values, 0.0) + ridge / total)) @ vectors.T
    values, vectors = np.linalg.eigh(root @ moment @ root)
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    floor = _FLOOR * max(float(values[0]), 1e-3)
    result: Doubles = (root @ vectors) * np.sqrt(np.maximum(values, floor))
    return result

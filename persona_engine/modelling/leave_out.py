"""Taking one user's comparisons out of a fitted ridge logistic regression, by one Newton step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling.differences import Doubles
from persona_engine.modelling.logistic import residual, sigmoid
from persona_engine.types import Evidence, Json, Population

_MOST_LEVERAGE = 0.95  # rows that alone decide a direction leave nothing to stand on


@dataclass(frozen=True, slots=True)
class WithoutRows:
    """A ridge logistic regression after rows were taken out.

    Args:
        weights: ``(D,)``.
        factor: ``(D, R)`` a root of their covariance.
    """

    weights: Doubles
    factor: Doubles


def leave_out(
    weights: NDArray[Any], factor: NDArray[Any], evidence: Evidence, *, inflation: float = 1.0
) -> WithoutRows:
    """Return the regression without a user's comparisons, from the others' curvature.

    With ``C`` the Laplace covariance of all, ``H₋ᵤ⁻¹ = (C⁻¹ - Δᵀ Ω Δ)⁻¹`` by Woodbury's identity,
    ``Ω = diag(weight · p(1-p))``: one Newton step on the loss without the rows is
    ``w - H₋ᵤ⁻¹ Δᵀ (weight · residual)``.

    Args:
        weights: ``(D,)`` that minimise ``Σ weight · pair_loss(w·Δ) + ridge/2 · |w|²``.
        factor: ``(D, R)`` a root of ``inflation · C``.
        evidence: The comparisons, ``(n, D)``.
        inflation: By how much the factor's covariance exceeds ``C``.
    """
    delta = evidence.chosen.astype(np.float64) - evidence.rejected
    weight, target = evidence.weight.astype(np.float64), evidence.target.astype(np.float64)
    root = np.asarray(factor, np.float64)
    seen = delta @ root / np.sqrt(inflation)  # (n, R)
    logits = delta @ np.asarray(weights, np.float64)
    p = sigmoid(logits)
    bend = np.sqrt(weight * p * (1.0 - p))
    _, size, axes = np.linalg.svd(bend[:, None] * seen, full_matrices=False)  # axes (r, R)
    left = 1.0 - np.minimum(np.square(size), _MOST_LEVERAGE)
    pull = seen.T @ (weight * residual(logits, target))
    pull = pull + axes.T @ ((1.0 / left - 1.0) * (axes @ pull))
    step = root @ pull / np.sqrt(inflation)
    widened = root + (root @ axes.T) * (1.0 / np.sqrt(left) - 1.0) @ axes
    return WithoutRows(np.asarray(weights, np.float64) - step, widened)


def without_user(population: Population, comparisons: int) -> Json:
    """Return a population's ``meta`` with one user and so many comparisons less."""
    less = {"users": 1, "comparisons": comparisons}
    return {
        name: max(0, int(value) - less[name]) if name in less else value
        for name, value in population.meta.items()
    }

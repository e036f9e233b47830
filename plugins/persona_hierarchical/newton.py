"""Posterior modes of users' latent preferences: Newton's method, one user or many at once.

Minimises ``Σ_i weight_i log(1 + exp(-(o_i + b_i·z))) + z·z/2 - folded(z)``; strictly convex, so
that the mode is unique and the order of the rows makes no difference. The covariance is the inverse
Hessian there (Laplace's method; MacKay 1992).
"""

from __future__ import annotations

import numpy as np

from persona_hierarchical.logistic import sigmoid
from persona_hierarchical.lower_bound import Doubles

_TOLERANCE = 1e-8
_MOST_STEPS = 60


def mode(
    rows: Doubles,
    offset: Doubles,
    weight: Doubles,
    *,
    precision: Doubles,
    pull: Doubles,
    start: Doubles,
) -> tuple[Doubles, Doubles]:
    """Return mode ``(K,)`` and covariance ``(K, K)`` of one user.

    Args:
        rows: ``(n, K)`` latent differences ``b_i``.
        offset: ``(n,)`` shared part of each logit.
        weight: ``(n,)`` strengths.
        precision: ``(K, K)`` of the Gaussian prior, older comparisons folded in.
        pull: ``(K,)`` its linear term: the prior is ``exp(pull·z - zᵀ precision z / 2)``.
        start: ``(K,)`` where to begin.
    """
    z = start

    def loss(at: Doubles) -> float:
        fit = weight @ np.logaddexp(0.0, -(offset + rows @ at))
        return float(fit + 0.5 * at @ precision @ at - pull @ at)

    for _ in range(_MOST_STEPS):
        logits = offset + rows @ z
        wrong = sigmoid(-logits)
        hessian = precision + (rows.T * (weight * wrong * (1.0 - wrong))) @ rows
        step = np.linalg.solve(hessian, rows.T @ (weight * wrong) + pull - precision @ z)
        size = float(np.abs(step).max(initial=0.0))
        if size < _TOLERANCE:
            break
        if size > 0.5:  # far from the mode a full step may overshoot
            here = loss(z)
            while loss(z + step) > here and size > 1e-6:
                step, size = 0.5 * step, 0.5 * size
        z = z + step
    covariance = np.linalg.inv(hessian)
    return z, 0.5 * (covariance + covariance.T)


def modes(rows: Doubles, offset: Doubles, weight: Doubles) -> tuple[Doubles, Doubles]:
    """Return modes ``(U, K)`` and covariances ``(U, K, K)`` of many users under ``N(0, I)``.

    Users lie on the last axis, so that every step is one pass over all of them.

    Args:
        rows: ``(n, K, U)`` latent differences, zero where padded.
        offset: ``(n, U)`` shared part of each logit.
        weight: ``(n, U)`` strengths, zero where padded.
    """
    z = np.zeros(rows.shape[1:])  # (K, U)
    logits = offset
    for _ in range(_MOST_STEPS):
        wrong = sigmoid(-logits)  # (n, U)
        lower = _cholesky(rows, weight * wrong * (1.0 - wrong))
        gradient = np.einsum("nku,nu->ku", rows, weight * wrong) - z
        step = _solve(lower, gradient)
        size = np.abs(step).max(0)
        if size.max(initial=0.0) < _TOLERANCE:
            break
        if size.max() > 0.5:
            step *= _damping(rows, offset, weight, z, step)
        z = z + step
        logits = offset + np.einsum("nku,ku->nu", rows, z)
    inverse = _inverse(lower)  # (K, K, U)
    covariance = np.einsum("mku,mlu->ukl", inverse, inverse)
    return np.ascontiguousarray(z.T), covariance


def _damping(rows: Doubles, offset: Doubles, weight: Doubles, z: Doubles, step: Doubles) -> Doubles:
    """Return the share of each user's step, ``(U,)``, that does not raise the loss."""
    here = offset + np.einsum("nku,ku->nu", rows, z)
    along = np.einsum("nku,ku->nu", rows, step)
    share = np.ones(z.shape[1])

    def loss(logits: Doubles, at: Doubles) -> Doubles:
        fit = np.einsum("nu,nu->u", weight, np.logaddexp(0.0, -logits))
        result: Doubles = fit + 0.5 * np.square(at).sum(0)
        return result

    before = loss(here, z)
    for _ in range(30):
        worse = loss(here + share * along, z + share * step) > before
        if not worse.any():
            break
        share = np.where(worse, 0.5 * share, share)
    return share


def _cholesky(rows: Doubles, curvature: Doubles) -> Doubles:
    """Return the lower factors ``(K, K, U)`` of ``I + Σ_n curvature · row rowᵀ``."""
    rank = rows.shape[1]
    matrix = np.zeros((rank, *rows.shape[1:]))
    for j in range(rank):
        matrix[j:, j] = np.einsum("nu,nku->ku", curvature * rows[:, j], rows[:, j:])
        matrix[j, j] += 1.0
    for j in range(rank):
        matrix[j, j] = np.sqrt(matrix[j, j])
        matrix[j + 1 :, j] /= matrix[j, j]
        for k in range(j + 1, rank):
            matrix[k:, k] -= matrix[k:, j] * matrix[k, j]
    return matrix


def _solve(lower: Doubles, right: Doubles) -> Doubles:
    """Return ``(L Lᵀ)⁻¹ right`` of each user, ``(K, U)``."""
    result = right.copy()
    rank = len(result)
    for j in range(rank):
        result[j] /= lower[j, j]
        result[j + 1 :] -= lower[j + 1 :, j] * result[j]
    for j in range(rank - 1, -1, -1):
        result[j] /= lower[j, j]
        result[:j] -= lower[j, :j] * result[j]
    return result


def _inverse(lower: Doubles) -> Doubles:
    """Return ``L⁻¹`` of each user, ``(K, K, U)``."""
    rank, _, users = lower.shape
    result = np.zeros_like(lower)
    result[np.arange(rank), np.arange(rank)] = 1.0
    for j in range(rank):
        result[j] /= lower[j, j]
        result[j + 1 :] -= lower[j + 1 :, j, None] * result[j]
    return result.reshape(rank, rank, users)

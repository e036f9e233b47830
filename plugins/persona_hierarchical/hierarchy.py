"""The shared basis: a spectral start, then joint maximisation of the penalised lower bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import Differences, minimise, residual, sigmoid
from persona_engine.types import FloatArray
from persona_hierarchical.lower_bound import Block, Doubles, Rows, blocks_of_users, lower_bound

_DEAD = 1e-3  # logits' variance
_SEED = 0.1


@dataclass(frozen=True, slots=True)
class Basis:
    """Weights of the principal axes: ``w_u = shared + basis z_u``, ``z_u ~ N(0, I)``.

    Args:
        shared: ``(R,)`` what all users prefer.
        basis: ``(R, K)`` how they differ.
    """

    shared: Doubles
    basis: Doubles

    @property
    def rank(self) -> int:
        """Number of latent dimensions, ``K``."""
        return int(self.basis.shape[1])

    def scaled(self, basis: float, *, shared: float = 1.0) -> Basis:
        """Return a population with users that differ, and agree, that many times as much."""
        return Basis(self.shared * shared, self.basis * basis)

    def rotated(self, moment: Doubles) -> Basis:
        """Return the same population with latent axes ordered by how much of the logit they move.

        The rotation makes ``basisᵀ diag(moment) basis`` diagonal and descending, each axis signed
        so that its largest weight is positive; the prior stays ``N(0, I)``.
        """
        _, _, rotation = np.linalg.svd(np.sqrt(moment)[:, None] * self.basis, full_matrices=False)
        basis = self.basis @ rotation.T
        sign = np.sign(basis[np.abs(basis).argmax(0), np.arange(basis.shape[1])])
        return Basis(self.shared, basis * np.where(sign == 0.0, 1.0, sign))

    def dead(self, moment: Doubles) -> NDArray[np.bool_]:
        """Return which latent axes move no logit, ``(K,)``."""
        result: NDArray[np.bool_] = moment @ np.square(self.basis) < _DEAD
        return result

    def revived(self, other: Basis, moment: Doubles) -> Basis:
        """Return the population with a little of ``other`` where a latent axis moves no logit.

        A basis of zeros is a saddle point of the bound: a fit that begins there stays there.
        """
        dead = self.dead(moment)
        basis = self.basis.copy()
        basis[:, dead] = _SEED * other.basis[:, : int(dead.sum())]
        return Basis(self.shared, basis)

    def truncated(self, rank: int) -> Basis:
        """Return the population with the first latent axes only."""
        return Basis(self.shared, self.basis[:, :rank])


@dataclass(frozen=True, slots=True)
class Sample:
    """Comparisons of some users, ready for the bound.

    Args:
        rows: ``(N, R)`` differences in the principal axes.
        weight: ``(N,)`` strengths.
        target: ``(N,)`` shares of the preferences that go to the chosen responses.
        user: ``(N,)`` users.
        moment: ``(R,)`` second moment of each axis over all comparisons.
        blocks: The users, grouped.
    """

    rows: FloatArray
    weight: FloatArray
    target: FloatArray
    user: Rows
    moment: Doubles
    blocks: Sequence[Block]


def sample_of(differences: Differences, chosen: Rows) -> Sample:
    """Return the chosen rows as a sample."""
    user = differences.user[chosen]
    weight, target = differences.weight[chosen], differences.target[chosen]
    return Sample(
        differences.rows[chosen],
        weight,
        target,
        user,
        differences.moment,
        blocks_of_users(user, weight, target),
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """How residuals of one user's comparisons agree with one another.

    With residual ``r_i = target_i - p_i`` under the pooled weights, ``E[r_i r_j Δ_i Δ_jᵀ]`` over
    different comparisons ``i ≠ j`` of one user is ``F Σ F`` to first order, ``F = E[p(1-p) Δ Δᵀ]``
    and ``Σ`` the covariance of users' weights: a moment that the noise of single answers does not
    bias.

    Args:
        shared: ``(R,)`` the pooled weights.
        moment: ``(R, R)`` mean of ``r_i r_j Δ_i Δ_jᵀ`` over pairs of comparisons of one user.
        values: ``(R,)`` eigenvalues of ``F``.
        vectors: ``(R, R)`` its eigenvectors.
        total: Weight of all comparisons.
    """

    shared: Doubles
    moment: Doubles
    values: Doubles
    vectors: Doubles
    total: float

    def start(self, *, rank: int, ridge: float) -> Basis:
        """Return the leading directions of ``Σ``, in the metric of ``F + ridge / total``."""
        damped = np.maximum(self.values, 0.0) + ridge / self.total
        root = (self.vectors / np.sqrt(damped)) @ self.vectors.T
        values, vectors = np.linalg.eigh(root @ self.moment @ root)
        values, vectors = values[::-1][:rank], vectors[:, ::-1][:, :rank]
        floor = 0.05 * max(float(values[0]), 1e-3)
        return Basis(self.shared, (root @ vectors) * np.sqrt(np.maximum(values, floor)))


def agreement_of(sample: Sample, shared: Doubles) -> Agreement:
    """Measure the agreement of users with themselves beyond the pooled weights."""
    logits = sample.rows @ shared.astype(np.float32)
    pull = sample.rows * (sample.weight * residual(logits, sample.target))[:, None]  # (N, R)
    order = np.argsort(sample.user, kind="stable")
    _, begin, count = np.unique(sample.user[order], return_index=True, return_counts=True)
    summed = np.add.reduceat(pull[order], begin, axis=0)  # (U, R)
    pairs = max(1.0, float(np.square(count.astype(np.float64)).sum() - count.sum()))
    p = sigmoid(logits)
    weighted = sample.rows * np.sqrt(sample.weight * p * (1.0 - p))[:, None]
    total = float(sample.weight.sum(dtype=np.float64))
    values, vectors = np.linalg.eigh((weighted.T @ weighted).astype(np.float64) / total)
    moment = (summed.T @ summed - pull.T @ pull).astype(np.float64) / pairs
    return Agreement(shared, moment, values, vectors, total)


def fit_basis(
    sample: Sample,
    start: Basis,
    *,
    shared_ridge: float,
    basis_ridge: float,
    iterations: int = 30,
) -> Basis:
    """Maximise ``Σ_u bound_u - shared_ridge/2·|w₀|² - basis_ridge/2·|B|²`` jointly.

    ``|B|²`` is the trace of the users' covariance ``B Bᵀ``, so its penalty drives needless latent
    directions to zero: it chooses the rank as it shrinks.
    """
    total = float(sample.weight.sum(dtype=np.float64))
    ridges = np.concatenate([[shared_ridge], np.full(start.rank, basis_ridge)])
    curvature = np.sqrt(0.25 * total * sample.moment[:, None] + ridges)  # (R, 1+K)

    def objective(scaled: Doubles) -> tuple[float, Doubles]:
        theta = scaled / curvature
        projected = sample.rows @ theta.astype(np.float32)  # (N, 1+K)
        offset, latent = np.ascontiguousarray(projected[:, 0]), projected[:, 1:]
        bound = lower_bound(sample.blocks, offset, latent)
        slope = np.column_stack([bound.pull, bound.turn])
        penalty = 0.5 * float((ridges * np.square(theta)).sum())
        gradient = ridges * theta - sample.rows.T @ slope
        return penalty - float(bound.per_user.sum()), gradient / curvature

    begin = np.column_stack([start.shared, start.basis]) * curvature
    theta = minimise(objective, begin, iterations=iterations, tolerance=1e-5) / curvature
    return Basis(theta[:, 0], theta[:, 1:])

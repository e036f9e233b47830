"""Joint maximum likelihood of a shared basis and every user's coordinates on it.

The logit of row ``i`` of user ``u`` is ``Σ_m Δ_i·θ_m · c_m(s_u)``: ``θ`` is the basis that all
users share, ``s_u`` are the user's free numbers, and a link turns these into coefficients ``c``.
PReF's link puts a one before them (the shared reward), LoRe's is the softmax.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import (
    Differences,
    Doubles,
    minimise,
    pair_loss,
    residual,
    softmax,
)
from persona_engine.types import FloatArray

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sample:
    """Comparisons of some users, user by user.

    Args:
        rows: ``(N, R)`` differences in the principal axes.
        weight: ``(N,)`` strengths, all positive.
        target: ``(N,)`` shares of the preferences that go to the chosen responses.
        owner: ``(N,)`` place of each row's user among the users, ascending.
        begin: ``(U,)`` first row of each user.
        moment: ``(R,)`` second moment of each axis over all comparisons.
    """

    rows: FloatArray
    weight: FloatArray
    target: FloatArray
    owner: Rows
    begin: Rows
    moment: Doubles

    @property
    def users(self) -> int:
        """Number of users, ``U``."""
        return len(self.begin)

    def summed(self, values: FloatArray) -> FloatArray:
        """Return the sums over each user's rows, ``(U, ...)``."""
        sums: FloatArray = np.add.reduceat(values, self.begin, axis=0)
        return sums


def sample_of(differences: Differences, chosen: NDArray[np.bool_]) -> Sample:
    """Return the chosen rows of positive weight as a sample."""
    rows = np.flatnonzero(chosen & (differences.weight > 0))
    rows = rows[np.argsort(differences.user[rows], kind="stable")]
    _, begin, owner = np.unique(differences.user[rows], return_index=True, return_inverse=True)
    return Sample(
        differences.rows[rows],
        differences.weight[rows],
        differences.target[rows],
        owner,
        begin,
        differences.moment,
    )


class Link(Protocol):
    """Turns users' free numbers into coefficients on the basis."""

    def coefficients(self, free: Doubles) -> Doubles:
        """Return ``(U, M)`` coefficients of free numbers ``(U, S)``."""

    def pulled_back(self, coefficients: Doubles, gradient: Doubles) -> Doubles:
        """Return the gradient ``(U, S)`` by the free numbers, given that by the coefficients."""


class OneAndFree:
    """``c = [1, s]``: a shared reward, and as much of each other direction as the user likes."""

    def coefficients(self, free: Doubles) -> Doubles:
        """Return ``[1, s]``."""
        return np.column_stack([np.ones(len(free)), free])

    def pulled_back(self, coefficients: Doubles, gradient: Doubles) -> Doubles:
        """Return the gradient without the constant's."""
        return gradient[:, 1:]


class Softmax:
    """``c = softmax(s)``: a point of the simplex."""

    def coefficients(self, free: Doubles) -> Doubles:
        """Return the softmax of each row."""
        return softmax(free)

    def pulled_back(self, coefficients: Doubles, gradient: Doubles) -> Doubles:
        """Return ``π ∘ (g - π·g)``."""
        mean = np.einsum("um,um->u", coefficients, gradient)
        turned: Doubles = coefficients * (gradient - mean[:, None])
        return turned


@dataclass(frozen=True, slots=True)
class Fit:
    """What a joint fit found.

    Args:
        basis: ``(R, M)`` the shared directions ``θ``, in the principal axes.
        free: ``(U, S)`` the users' free numbers.
    """

    basis: Doubles
    free: Doubles


def fit_jointly(
    sample: Sample,
    start: Fit,
    link: Link,
    *,
    anchor: Doubles,
    ridge: Doubles,
    precision: float,
    iterations: int = 60,
) -> Fit:
    """Minimise ``Σ weight · pair_loss + Σ_m ridge_m/2 |θ_m - anchor_m|² + precision/2 Σ_u |s_u|²``.

    L-BFGS over basis and users at once, from ``start``, each basis weight scaled by an upper bound
    of its curvature and each user's number by that of the user's comparisons.

    Args:
        sample: The comparisons.
        start: Where to begin.
        link: What makes coefficients of a user's numbers.
        anchor: ``(R, M)`` where the penalty draws the basis.
        ridge: ``(M,)`` how strongly.
        precision: How strongly users are drawn to zero.
        iterations: Most steps.
    """
    total = float(sample.weight.sum(dtype=np.float64))
    bend = np.sqrt(0.25 * total * sample.moment[:, None] + ridge)  # (R, M)
    amount = sample.summed(sample.weight).astype(np.float64)
    turn = np.sqrt(0.25 * amount + precision)[:, None]  # (U, 1)
    split = start.basis.size

    def unpack(scaled: Doubles) -> Fit:
        basis = scaled[:split].reshape(start.basis.shape) / bend
        return Fit(basis, scaled[split:].reshape(start.free.shape) / turn)

    def objective(scaled: Doubles) -> tuple[float, Doubles]:
        at = unpack(scaled)
        loss, by_basis, by_free = loss_of(sample, at, link)
        away = at.basis - anchor
        loss += 0.5 * float((ridge * np.square(away)).sum() + precision * np.square(at.free).sum())
        gradient = [(by_basis + ridge * away) / bend, (by_free + precision * at.free) / turn]
        return loss, np.concatenate([each.ravel() for each in gradient])

    begin = np.concatenate([(start.basis * bend).ravel(), (start.free * turn).ravel()])
    return unpack(minimise(objective, begin, iterations=iterations, tolerance=2e-5))


def loss_of(sample: Sample, at: Fit, link: Link) -> tuple[float, Doubles, Doubles]:
    """Return ``Σ weight · pair_loss`` and its gradients by ``basis (R, M)`` and ``free (U, S)``."""
    coefficients = link.coefficients(at.free)
    mine = coefficients.astype(np.float32)[sample.owner]  # (N, M)
    projected = sample.rows @ at.basis.astype(np.float32)  # (N, M)
    logits = np.einsum("nm,nm->n", projected, mine)
    loss = float(np.vdot(sample.weight, pair_loss(logits, sample.target)))
    pull = -sample.weight * residual(logits, sample.target)
    by_basis = sample.rows.T @ (pull[:, None] * mine)
    by_coefficient = sample.summed(pull[:, None] * projected).astype(np.float64)
    return loss, by_basis.astype(np.float64), link.pulled_back(coefficients, by_coefficient)

"""Evidence lower bound of users' comparisons under a shared basis, and its gradient.

User ``u``'s logit of row ``i`` is ``o_i + b_i·z_u`` with ``z_u ~ N(0, I)``. The posterior of each
``z_u`` is taken as the Gaussian that maximises ``-Σ E[pair_loss(logit)] - KL`` (Opper & Archambeau
2009, "The variational Gaussian approximation revisited"); the expectation is a Gauss–Hermite sum
over the logit's own Gaussian. The bound is tight where a user has few comparisons, and the gradient
of its maximum needs no derivative of the Gaussian (envelope theorem).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import FloatArray

Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]

_POINTS, _MASS = np.polynomial.hermite_e.hermegauss(7)
_NODES: FloatArray = _POINTS.astype(np.float32)[:, None, None]
_SHARES: FloatArray = (_MASS / _MASS.sum()).astype(np.float32)

_CLOSE = 5e-3  # the bound is flat at its maximum: what is left changes it by the square of this


@dataclass(slots=True)
class Block:
    """Users with about as many comparisons, padded to the same number.

    Args:
        users: ``(U,)`` place of each user among all.
        rows: ``(U, n)`` rows of each user; padding repeats row 0.
        weight: ``(U, n)`` strength of each comparison, 0 for padding.
        target: ``(U, n)`` share of each preference that goes to the chosen response.
        mean: ``(U, K)`` posterior means, kept between calls as the next start.
        covariance: ``(U, K, K)`` posterior covariances.
    """

    users: Rows
    rows: Rows
    weight: FloatArray
    target: FloatArray
    mean: FloatArray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    covariance: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))

    def begin(self, rank: int) -> None:
        """Start from the prior, unless there is a last posterior of that rank."""
        if self.mean.shape == (len(self.users), rank):
            return
        self.mean = np.zeros((len(self.users), rank), np.float32)
        eye = np.eye(rank, dtype=np.float32)
        self.covariance = np.broadcast_to(eye, (len(self.users), rank, rank))


def blocks_of_users(user: Rows, weight: FloatArray, target: FloatArray) -> list[Block]:
    """Group the users by number of comparisons, so that padding at most doubles them."""
    order = np.argsort(user, kind="stable")
    _, start, count = np.unique(user[order], return_index=True, return_counts=True)
    size = 2 ** np.ceil(np.log2(count)).astype(np.int64)
    blocks = []
    for padded in np.unique(size):
        users = np.flatnonzero(size == padded)
        place = np.arange(padded)
        present = place < count[users, None]  # (U, n)
        rows = order[np.where(present, start[users, None] + place, 0)]
        strength = np.where(present, weight[rows], 0.0).astype(np.float32)
        blocks.append(Block(users, rows, strength, target[rows]))
    return blocks


@dataclass(frozen=True, slots=True)
class Bound:
    """The bound of each user, and its gradient.

    Args:
        per_user: ``(U,)`` lower bound of each user's log-likelihood.
        pull: ``(N,)`` gradient by each row's offset ``o_i``.
        turn: ``(N, K)`` gradient by each row's ``b_i``.
    """

    per_user: Doubles
    pull: FloatArray
    turn: FloatArray


def lower_bound(blocks: Sequence[Block], offset: FloatArray, latent: FloatArray) -> Bound:
    """Maximise the bound over each user's Gaussian, starting from the blocks' last ones.

    Args:
        blocks: The users; their ``mean`` and ``covariance`` are replaced.
        offset: ``(N,)`` shared part of each row's logit.
        latent: ``(N, K)`` each row's ``b_i``.
    """
    rank = latent.shape[1]
    per_user = np.zeros(sum(len(block.users) for block in blocks))
    pull = np.zeros(len(offset), np.float32)
    turn = np.zeros_like(latent)
    for block in blocks:
        block.begin(rank)
        b = latent[block.rows]  # (U, n, K)
        o = offset[block.rows]  # (U, n)
        _improve(block, o, b)
        mean, variance, sb = _moments(block, o, b)
        left, bend = _slopes(block, mean, variance)
        per_user[block.users] = _fit(block, mean, variance) - _divergence(block)
        present = block.weight > 0
        rows = block.rows[present]
        gradient = block.weight * left  # (U, n)
        pull[rows] = gradient[present]
        bent = (block.weight * bend)[..., None] * sb
        turn[rows] = (gradient[..., None] * block.mean[:, None, :] - bent)[present]
    return Bound(per_user, pull, turn)


def working_values(
    block: Block, offset: FloatArray, b: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return ``E[target - p]`` and ``E[p(1-p)]``, ``(U, n)``, at the maximum of the bound."""
    block.begin(b.shape[2])
    _improve(block, offset, b, most=50, close=1e-5)
    mean, variance, _ = _moments(block, offset, b)
    return _slopes(block, mean, variance)


def _improve(
    block: Block, offset: FloatArray, b: FloatArray, *, most: int = 12, close: float = _CLOSE
) -> None:
    """Take fixed-point steps: precision ``I + Σ E[p(1-p)] b bᵀ``, Newton in the mean."""
    eye = np.eye(b.shape[2], dtype=np.float32)
    across = b.transpose(0, 2, 1)  # (U, K, n)
    for _ in range(most):
        mean, variance, _ = _moments(block, offset, b)
        left, bend = _slopes(block, mean, variance)
        precision = eye + (across * (block.weight * bend)[:, None, :]) @ b  # (U, K, K)
        gradient = (across @ (block.weight * left)[..., None])[..., 0] - block.mean
        block.covariance = np.linalg.inv(precision)
        step = (block.covariance @ gradient[..., None])[..., 0]
        block.mean = block.mean + step
        if float(np.abs(step).max(initial=0.0)) < close:
            break


def _moments(
    block: Block, offset: FloatArray, b: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean and variance of each logit, ``(U, n)``, and ``S b``, ``(U, n, K)``."""
    sb = b @ block.covariance
    mean = offset + (b @ block.mean[..., None])[..., 0]
    return mean, np.maximum((sb * b).sum(-1), 0.0), sb


def _slopes(block: Block, mean: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return ``E[target - p]`` and ``E[p(1-p)]`` of each logit."""
    tanh = np.tanh(0.5 * (mean + _NODES * np.sqrt(variance)))  # (7, U, n)
    left: FloatArray = block.target - 0.5 - 0.5 * _average(tanh)
    bend: FloatArray = 0.25 - 0.25 * _average(np.square(tanh))
    return left, bend


def _average(values: FloatArray) -> FloatArray:
    """Return the expectation of values at the nodes, ``(7, U, n)``."""
    average: FloatArray = np.einsum("h,hun->un", _SHARES, values)
    return average


def _fit(block: Block, mean: FloatArray, variance: FloatArray) -> Doubles:
    """Return each user's ``-Σ weight · E[pair_loss(logit)]``, ``(U,)``."""
    logits = mean + _NODES * np.sqrt(variance)  # (7, U, n)
    loss = _average(np.maximum(-logits, 0.0) + np.log1p(np.exp(-np.abs(logits))))
    loss = loss + (1.0 - block.target) * mean
    result: Doubles = -np.einsum("un,un->u", block.weight, loss, dtype=np.float64)
    return result


def _divergence(block: Block) -> Doubles:
    """Return ``KL(N(mean, covariance) ‖ N(0, I))`` of each user, ``(U,)``."""
    covariance = block.covariance.astype(np.float64)
    trace = np.trace(covariance, axis1=1, axis2=2)
    _, log_volume = np.linalg.slogdet(covariance)
    norm = np.square(block.mean, dtype=np.float64).sum(1)
    result: Doubles = 0.5 * (trace + norm - block.mean.shape[1] - log_volume)
    return result

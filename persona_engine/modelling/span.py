"""Posteriors of many users in the span of their own comparisons: what they cost is flat in K.

The mode of ``Σ_i w_i · log-likelihood(o_i + b_i·z) - |z|²/2`` is ``z = Rᵀ a``, a combination of the
user's own ``n`` latent differences ``R (n, K)``. Newton's method then needs the ``n × n`` Gram
matrix ``R Rᵀ`` alone, as in Gaussian-process classification (Rasmussen & Williams 2006, algorithm
3.1), and a latent space of 64 dimensions costs what one of 8 does but for that product. The last
step towards the variational Gaussian is that of `persona_engine.modelling.newton`, which this
agrees with; that one is the faster where users have more comparisons than dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling.batched import factorise, forward, solve
from persona_engine.modelling.logistic import pair_loss, residual, sigmoid

Floats = NDArray[Any]

_COARSE = 1e-3  # in logits: in single precision the step after one this small is lost in rounding
_FAR_LOGIT = 4.0  # a step that moves a logit by more may overshoot and is checked
_MOST_STEPS = 60


def posteriors_in_span(
    rows: Floats, offset: Floats, weight: Floats, target: Floats
) -> tuple[Floats, Floats]:
    """Return means ``(U, K)`` and curvatures ``(U, n)`` of many users under ``N(0, I)``.

    A user's precision is ``I + Rᵀ diag(curvature) R``; `covariances` inverts it.

    Args:
        rows: ``(U, n, K)`` float32 latent differences, zero where padded.
        offset: ``(U, n)`` shared part of each logit.
        weight: ``(U, n)`` strengths, zero where padded.
        target: ``(U, n)`` shares of the preferences that go to the chosen responses.
    """
    gram = np.matmul(rows, rows.transpose(0, 2, 1))  # (U, n, n)
    batch = _Batch(
        np.ascontiguousarray(gram.transpose(1, 2, 0)),
        np.ascontiguousarray(offset.T),
        np.ascontiguousarray(weight.T),
        np.ascontiguousarray(target.T),
    )
    share, curvature = _variational_step(batch, *_modes(batch))
    mean = np.matmul(share.T[:, None, :], rows)[:, 0]
    return mean, np.ascontiguousarray(curvature.T)


def covariances(rows: Floats, curvature: Floats) -> Floats:
    """Return ``(I + Rᵀ diag(curvature) R)⁻¹`` of each user, ``(U, K, K)``.

    Args:
        rows: ``(U, n, K)`` latent differences, zero where padded.
        curvature: ``(U, n)``.
    """
    rank = rows.shape[2]
    scaled = np.sqrt(curvature)[:, :, None] * rows  # (U, n, K)
    across = scaled.transpose(0, 2, 1)
    if rows.shape[1] >= rank:
        inverse = np.linalg.inv(np.eye(rank, dtype=rows.dtype) + np.matmul(across, scaled))
    else:
        inner = np.matmul(scaled, across) + np.eye(rows.shape[1], dtype=rows.dtype)
        inverse = np.eye(rank, dtype=rows.dtype) - np.matmul(across, np.linalg.solve(inner, scaled))
    symmetric: Floats = 0.5 * (inverse + inverse.transpose(0, 2, 1))
    return symmetric


@dataclass(frozen=True, slots=True)
class _Batch:
    """Many users' comparisons: Gram matrices ``(n, n, U)``, the rest ``(n, U)``."""

    gram: Floats
    offset: Floats
    weight: Floats
    target: Floats

    def of(self, users: NDArray[np.int64]) -> _Batch:
        """Return some users' comparisons."""
        return _Batch(
            self.gram[..., users],
            self.offset[:, users],
            self.weight[:, users],
            self.target[:, users],
        )

    def times_gram(self, values: Floats) -> Floats:
        """Return ``R Rᵀ values`` of each user, ``(n, U)``."""
        result: Floats = np.einsum("iju,ju->iu", self.gram, values)
        return result

    def factor(self, root: Floats) -> Floats:
        """Return the lower factors of ``I + S R Rᵀ S``, ``S`` the diagonal of roots ``(n, U)``."""
        matrix = root[:, None] * self.gram
        matrix *= root
        matrix[np.arange(len(root)), np.arange(len(root))] += 1.0
        return factorise(matrix)

    def newton(self, share: Floats, logits: Floats) -> tuple[Floats, Floats]:
        """Return how a Newton step changes the shares and the logits, both ``(n, U)``."""
        p = sigmoid(logits)
        return self.step(share, self.weight * (self.target - p), self.weight * p * (1.0 - p))

    def step(self, share: Floats, pull: Floats, curvature: Floats) -> tuple[Floats, Floats]:
        """Return ``(I + diag(curvature) R Rᵀ)⁻¹ (pull - share)``, and what it does to logits."""
        root = np.sqrt(curvature)
        change = pull - share
        inner = solve(self.factor(root), root * self.times_gram(change))
        inner *= root
        change -= inner
        return change, self.times_gram(change)

    def loss(self, share: Floats, logits: Floats) -> Floats:
        """Return each user's negative log posterior, ``(U,)``."""
        fit = np.einsum("nu,nu->u", self.weight, pair_loss(logits, self.target))
        result: Floats = fit + 0.5 * np.einsum("nu,nu->u", share, logits - self.offset)
        return result


def _modes(batch: _Batch) -> tuple[Floats, Floats]:
    """Return the shares ``a`` and the logits at the modes, both ``(n, U)``."""
    share = np.zeros_like(batch.offset)
    logits = batch.offset.copy()
    left, part = np.arange(share.shape[1]), batch
    for _ in range(_MOST_STEPS):
        everybody = len(left) == share.shape[1]
        here = (share, logits) if everybody else (share[:, left], logits[:, left])
        change, along = part.newton(*here)
        moved = np.abs(along).max(0)
        if (far := np.flatnonzero(moved > _FAR_LOGIT)).size:
            _shorten(part, here, (change, along), far)
        if everybody:
            share += change
            logits += along
        else:
            share[:, left] += change
            logits[:, left] += along
        moving = moved >= _COARSE
        if not moving.any():
            break
        if 2 * np.count_nonzero(moving) < len(left):  # who has arrived waits for nobody
            left, part = left[moving], part.of(np.flatnonzero(moving))
    return share, logits


def _shorten(
    batch: _Batch, here: tuple[Floats, Floats], step: tuple[Floats, Floats], far: NDArray[np.int64]
) -> None:
    """Halve the steps of some users, in place, until none raises the loss."""
    part = batch.of(far)
    share, logits = (each[:, far] for each in here)
    change, along = (each[:, far] for each in step)
    before = part.loss(share, logits)
    before += 1e-6 * np.abs(before)
    length = np.ones(len(far), share.dtype)
    for _ in range(30):
        worse = part.loss(share + length * change, logits + length * along) > before
        if not worse.any():
            break
        length = np.where(worse, 0.5 * length, length)
    for each in step:
        each[:, far] *= length


def _variational_step(batch: _Batch, share: Floats, logits: Floats) -> tuple[Floats, Floats]:
    """Return the shares of the variational means, and the curvatures, both ``(n, U)``."""
    p = sigmoid(logits)
    root = np.sqrt(batch.weight * p * (1.0 - p))
    explained = forward(batch.factor(root), root[:, None] * batch.gram)  # (n, n, U)
    own = np.einsum("nnu->nu", batch.gram) - np.einsum("jnu,jnu->nu", explained, explained)
    damping = 1.0 / np.sqrt(1.0 + np.pi / 8.0 * np.maximum(own, 0.0))
    damped = damping * logits
    p = sigmoid(damped)
    curvature = batch.weight * damping * p * (1.0 - p)
    change, _ = batch.step(share, batch.weight * residual(damped, batch.target), curvature)
    return share + change, curvature

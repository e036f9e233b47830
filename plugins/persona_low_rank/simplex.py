"""Posteriors over a point of the simplex: Laplace's Gaussian over its softmax logits.

A user's logit of row ``i`` is ``b_i·π(ω)`` with ``π = softmax`` and ``ω ~ N(m, P⁻¹)``. Gauss–Newton
steps, halved where they would raise the loss, lead from the prior's mean to a mode; the steps
depend on the comparisons only, so the same comparisons always give the same posterior. Users who
have arrived stay where they are, so nobody's posterior depends on who is solved beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from persona_engine.modelling import (
    Doubles,
    pair_loss,
    residual,
    sigmoid,
    softmax,
)
from persona_low_rank.joint import Rows

_TOLERANCE = 1e-6
_MOST_STEPS = 200
_FLAT = 1e-12  # share of the loss that is rounding
_ROTATIONS = 2


@dataclass(frozen=True, slots=True)
class Votes:
    """Comparisons of ``U`` users on ``K`` basis rewards, padded to ``n``.

    Args:
        rows: ``(U, n, K)`` differences of the basis rewards.
        weight: ``(U, n)`` strengths, zero for padding.
        target: ``(U, n)`` shares of the preferences that go to the chosen responses.
        precision: ``(U, K, K)`` of the Gaussian that the comparisons start from.
        pull: ``(U, K)`` its precision times its mean.
        curvature: ``(U, K, K)`` what older comparisons add to the precision of the weights.
    """

    rows: Doubles
    weight: Doubles
    target: Doubles
    precision: Doubles
    pull: Doubles
    curvature: Doubles

    def loss(self, at: Doubles) -> Doubles:
        """Return each user's negative log posterior at ``(U, K)``, up to a constant."""
        logits = np.einsum("unk,uk->un", self.rows, softmax(at))
        prior = 0.5 * np.einsum("ukl,ul->uk", self.precision, at) - self.pull
        result: Doubles = (self.weight * pair_loss(logits, self.target)).sum(1)
        result += np.einsum("uk,uk->u", at, prior)
        return result

    def take(self, users: Rows) -> Votes:
        """Return some of the users."""
        return Votes(
            self.rows[users],
            self.weight[users],
            self.target[users],
            self.precision[users],
            self.pull[users],
            self.curvature[users],
        )

    def slope(self, at: Doubles) -> tuple[Doubles, Doubles]:
        """Return the gradient ``(U, K)`` of the log posterior and its Gauss–Newton precision."""
        shares = softmax(at)[:, None, :]
        logits = (self.rows * shares).sum(-1)
        turned = shares * (self.rows - logits[..., None])  # (U, n, K)
        p = sigmoid(logits)
        bend = (self.weight * p * (1.0 - p))[..., None] * turned
        precision = self.precision + turned.transpose(0, 2, 1) @ bend
        left = self.weight * residual(logits, self.target)
        gradient = (turned * left[..., None]).sum(1) + self.pull
        return gradient - np.einsum("ukl,ul->uk", self.precision, at), precision


def modes(votes: Votes, start: Doubles) -> tuple[Doubles, Doubles]:
    """Return means ``(U, K)`` and covariances ``(U, K, K)`` of the users' logits.

    Args:
        votes: The users' comparisons.
        start: ``(U, K)`` where the steps begin: the prior's mean, so that all begin alike.
    """
    mean = start.copy()
    left = np.arange(len(start))
    for _ in range(_MOST_STEPS):
        mine = votes.take(left)
        at = mean[left]
        gradient, precision = mine.slope(at)
        newton = np.linalg.solve(precision, gradient[..., None])[..., 0].astype(np.float64)
        step = newton * _share(mine, at, newton)[:, None]
        mean[left] = at + step
        left = left[np.abs(step).max(1) > _TOLERANCE]
        if not len(left):
            break
    _, precision = votes.slope(mean)
    covariance = np.linalg.inv(precision)
    return mean, 0.5 * (covariance + covariance.transpose(0, 2, 1))


def posteriors(votes: Votes, prior_mean: Doubles, root: Doubles) -> tuple[Doubles, Doubles]:
    """Return means ``(U, K)`` and covariances ``(U, K, K)`` of the users' weights.

    The means are those of ``softmax(ω)`` under Laplace's Gaussian. The covariances are Laplace's in
    the weights themselves, ``(C₀⁻¹ + Σ weight · p(1-p) b bᵀ)⁻¹``, where logits are linear: seen
    through the softmax, an answer could make a user's reward less certain only because it moved
    the weights to where the softmax is steeper.

    Args:
        votes: The users' comparisons.
        prior_mean: ``(K,)`` of the logits.
        root: ``(K, K)`` of the prior covariance of the weights, ``C₀ = root rootᵀ``.
    """
    start = np.tile(prior_mean, (len(votes.rows), 1))
    weights, _ = simplex_moments(*modes(votes, start))
    p = sigmoid(np.einsum("unk,uk->un", votes.rows, weights))
    bend = votes.weight * p * (1.0 - p)
    curvature = votes.curvature + votes.rows.transpose(0, 2, 1) @ (bend[..., None] * votes.rows)
    precision = np.eye(len(root)) + root.T @ curvature @ root
    half = root @ np.linalg.inv(np.linalg.cholesky(precision)).transpose(0, 2, 1)
    return weights, half @ half.transpose(0, 2, 1)


def _share(votes: Votes, at: Doubles, step: Doubles) -> Doubles:
    """Return the largest of 1, ½, ¼ … of each user's step that does not raise the loss, else 0."""
    before = votes.loss(at)
    before = before + _FLAT * (1.0 + np.abs(before))
    share = np.ones(len(at))
    for _ in range(40):
        worse = votes.loss(at + share[:, None] * step) > before
        if not worse.any():
            return share
        share = np.where(worse, 0.5 * share, share)
    return np.where(worse, 0.0, share)


def simplex_moments(mean: Doubles, covariance: Doubles) -> tuple[Doubles, Doubles]:
    """Return mean ``(U, K)`` and covariance ``(U, K, K)`` of ``softmax(ω)``, ``ω`` Gaussian.

    Cubature of the third degree (Arasaratnam & Haykin 2009, "Cubature Kalman filters") under
    several fixed rotations, which takes most of the bias that one set of points has.
    """
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]  # (U, K, K)
    points = softmax(mean[:, None, :] + _points(mean.shape[1]) @ root.transpose(0, 2, 1))
    centre = points.mean(1)
    away = points - centre[:, None, :]
    return centre, away.transpose(0, 2, 1) @ away / points.shape[1]


@lru_cache
def _points(width: int) -> Doubles:
    """Return points with mean zero and covariance ``I``, ``(2·K·rotations, K)``."""
    rng = np.random.default_rng(0)
    turns = [np.linalg.qr(rng.normal(size=(width, width)))[0] for _ in range(_ROTATIONS)]
    half = np.sqrt(width) * np.concatenate(turns)
    points: Doubles = np.concatenate([half, -half])
    points.flags.writeable = False
    return points

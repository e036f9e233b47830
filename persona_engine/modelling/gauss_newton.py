"""Posteriors of users whose logits are any smooth function of a few latent variables.

Newton's method of `modelling.newton` needs logits that are linear in them; this takes a Jacobian.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling.differences import Doubles
from persona_engine.modelling.logistic import pair_loss, residual, sigmoid

LogitsOf = Callable[[Doubles], tuple[Doubles, Doubles]]
"""Maps latent variables ``(U, V)`` to logits ``(U, n)`` and their Jacobian ``(U, n, V)``."""

_MOST_STEPS = 60
_TOLERANCE = 1e-7
_ROUNDING = 1e-12  # a loss that rises by less than this share has not risen
_HALVINGS = 12

COARSE = 1e-2
"""A step this small is near enough for averages over many users."""


@dataclass(frozen=True, slots=True)
class LatentPrior:
    """What users' latent variables are before any answer: ``v = mean + factor z``, ``z ~ N(0, I)``.

    Args:
        mean: ``(V,)``.
        factor: ``(V, k)``; ``k < V`` where only some directions make a difference.
    """

    mean: Doubles
    factor: Doubles

    def latent(self, z: Doubles) -> Doubles:
        """Return ``v (U, V)`` of whitened ``z (U, k)``."""
        return self.mean + z @ self.factor.T

    def widened(self, times: float) -> LatentPrior:
        """Return the prior of users who differ that many times as much."""
        return LatentPrior(self.mean, self.factor * times)


@dataclass(frozen=True, slots=True)
class Answers:
    """Comparisons of ``U`` users, padded to ``n`` each.

    Args:
        logits_of: Their logits, given each user's latent variables.
        weight: ``(U, n)`` strengths, 0 where padded.
        target: ``(U, n)`` shares of the preferences that go to the chosen responses.
        precision: ``(U, k, k)`` further precision of ``z``, of answers that were folded, or None.
        pull: ``(U, k)`` their further pull, or None.
    """

    logits_of: LogitsOf
    weight: Doubles
    target: Doubles
    precision: Doubles | None = None
    pull: Doubles | None = None


def laplace_posteriors(
    answers: Answers, prior: LatentPrior, *, tolerance: float = _TOLERANCE
) -> tuple[Doubles, Doubles]:
    """Return Laplace's means ``(U, k)`` and covariances ``(U, k, k)`` of ``z``.

    The mode is found by Gauss–Newton steps from the prior's mean, each shortened until it lowers
    the loss; the covariance is ``(I + Σ weight · p(1-p) J Jᵀ)⁻¹`` with ``J`` the gradient of each
    logit by ``z`` (MacKay 1992, "The evidence framework applied to classification networks").
    Without answers both are exactly the prior's.

    Examples:
        >>> rows = np.array([[[1.0], [1.0]]])  # one user, two answers, logit = v
        >>> answers = Answers(lambda v: ((rows @ v[..., None])[..., 0], rows), *np.ones((2, 1, 2)))
        >>> mean, covariance = laplace_posteriors(answers, LatentPrior(np.zeros(1), np.eye(1)))
        >>> mean.round(3).tolist(), covariance.round(3).tolist()
        ([[0.675]], [[[0.691]]])
    """
    users, width = len(answers.weight), prior.factor.shape[1]
    base = np.eye(width) + np.zeros((users, 1, 1))
    base = base if answers.precision is None else base + answers.precision
    extra = np.zeros((users, width)) if answers.pull is None else answers.pull
    z = np.zeros((users, width))
    if width == 0:
        return z, np.zeros((users, 0, 0))

    def loss(at: Doubles) -> Doubles:
        logits, _ = answers.logits_of(prior.latent(at))
        fit = (answers.weight * pair_loss(logits, answers.target)).sum(1)
        lean = 0.5 * (base @ at[..., None])[..., 0] - extra
        result: Doubles = fit + (at * lean).sum(1)
        return result

    before: Doubles = loss(z)
    for _ in range(_MOST_STEPS if tolerance < COARSE else _MOST_STEPS // 4):
        gradient, hessian = _slope(answers, prior, z, base, extra)
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0].astype(np.float64)
        share, before = _shorten(loss, z, step, before)
        z = z + share[:, None] * step
        if float(np.abs(share[:, None] * step).max(initial=0.0)) < tolerance:
            break
    covariance = np.linalg.inv(_slope(answers, prior, z, base, extra)[1])
    return z, 0.5 * (covariance + covariance.transpose(0, 2, 1))


def fold(answers: Answers, prior: LatentPrior, z: Doubles) -> tuple[Doubles, Doubles]:
    """Return precision ``(U, k, k)`` and pull ``(U, k)`` that stand for answers, exact at ``z``."""
    nothing = np.zeros((*z.shape, z.shape[1]))
    gradient, precision = _slope(answers, prior, z, nothing, np.zeros_like(z))
    return precision, gradient + (precision @ z[..., None])[..., 0]


def fit_prior(
    answers: Answers, start: LatentPrior, *, rounds: int = 8
) -> tuple[LatentPrior, Doubles]:
    """Return the prior under which the users' answers are likeliest, and their means ``(U, k)``.

    Expectation–maximisation with Laplace's posteriors (Tierney & Kadane 1986): mean and covariance
    become those of the users' posteriors together, in the directions of ``start.factor``.
    """
    mean, factor, users = start.mean, start.factor, len(answers.weight)
    for _ in range(rounds):
        z, covariance = laplace_posteriors(answers, LatentPrior(mean, factor), tolerance=COARSE)
        centre = z.mean(0)
        second = (z - centre).T @ (z - centre) / users + covariance.mean(0)
        mean = mean + factor @ centre
        factor = factor @ np.linalg.cholesky(second + 1e-6 * np.eye(len(second)))
    prior = LatentPrior(mean, factor)
    return prior, laplace_posteriors(answers, prior)[0]


def rows_of_users(user: NDArray[np.int64], *, most: int) -> tuple[NDArray[np.int64], Doubles]:
    """Return the first rows of each user ``(U, n)``, and 1 where there is one, 0 where padded.

    Examples:
        >>> rows, present = rows_of_users(np.array([4, 7, 4, 4]), most=2)
        >>> rows.tolist(), present.tolist()
        ([[0, 2], [1, 0]], [[1.0, 1.0], [1.0, 0.0]])
    """
    order = np.argsort(user, kind="stable")
    _, start, count = np.unique(user[order], return_index=True, return_counts=True)
    place = np.arange(min(most, int(count.max(initial=0))))
    present = place < count[:, None]
    rows = np.where(present, order[np.where(present, start[:, None] + place, 0)], 0)
    return rows.astype(np.int64), present.astype(np.float64)


def _slope(
    answers: Answers, prior: LatentPrior, z: Doubles, base: Doubles, extra: Doubles
) -> tuple[Doubles, Doubles]:
    """Return the gradient ``(U, k)`` of the log posterior and its precision ``(U, k, k)``."""
    logits, jacobian = answers.logits_of(prior.latent(z))
    turned = jacobian @ prior.factor  # (U, n, k)
    across = turned.transpose(0, 2, 1)
    p = sigmoid(logits)
    precision = base + (across * (answers.weight * p * (1.0 - p))[:, None, :]) @ turned
    pull = (across @ (answers.weight * residual(logits, answers.target))[..., None])[..., 0]
    return pull + extra - (base @ z[..., None])[..., 0], precision


def _shorten(
    loss: Callable[[Doubles], Doubles], z: Doubles, step: Doubles, before: Doubles
) -> tuple[Doubles, Doubles]:
    """Return the share of each user's step that doesn't raise the loss, and the loss there."""
    allowed = before + _ROUNDING * (1.0 + np.abs(before))
    share = np.ones(len(z))
    after = loss(z + step)
    for _ in range(_HALVINGS):
        worse = ~(after <= allowed)
        if not worse.any():
            return share, after
        share = np.where(worse, 0.25 * share, share)
        after = loss(z + share[:, None] * step)
    worse = ~(after <= allowed)
    return np.where(worse, 0.0, share), np.where(worse, before, after)

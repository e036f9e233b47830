"""LoRe's fit: basis rewards and everybody's place between them, and what to choose among."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from persona_engine.modelling import Doubles
from persona_low_rank.joint import Fit, Sample, Softmax, fit_jointly
from persona_low_rank.selection import Belief
from persona_low_rank.simplex import Votes, posteriors, simplex_moments
from persona_low_rank.start import spectral_start

BASES = (8, 16)
"""Numbers of basis rewards to choose from."""

RIDGES = (300.0, 100.0, 30.0, 10.0)
"""Penalties of their distance from the pooled reward to choose from, in units of comparisons."""

CHANGES = (
    (1.0, 1.0),
    *((spread, stretch) for spread in (0.7, 1.0, 1.4) for stretch in (0.5, 1.0, 1.5)),
    (1.0, 0.0),
)
"""Factors on the spread of users' softmax logits, and on that distance, to choose from after the
fit; no distance is the pooled reward for everybody."""

_LOGIT_PRECISION = 0.3  # of users' softmax logits while the basis is fitted
_START = 5.0  # how far the first basis rewards lie from the pooled one, in spreads of users
_LEAST_VARIANCE = 0.05  # of a softmax logit in the prior


@dataclass(frozen=True, slots=True)
class Found:
    """A fitted population in the principal axes.

    Args:
        basis: ``(R, K)`` the basis rewards ``V``.
        mean: ``(K,)`` of users' softmax logits.
        covariance: ``(K, K)`` of them.
    """

    basis: Doubles
    mean: Doubles
    covariance: Doubles

    def changed(self, shared: Doubles, spread: float, stretch: float) -> Found:
        """Return it with users that differ more, and basis rewards farther from the shared one."""
        basis = shared[:, None] + stretch * (self.basis - shared[:, None])
        return Found(basis, self.mean, spread**2 * self.covariance)

    def belief(self) -> Belief:
        """Return what makes users' weights of their comparisons."""
        precision = np.linalg.inv(self.covariance)
        root = self.root()

        def weights(rows: Doubles, weight: Doubles, target: Doubles) -> tuple[Doubles, Doubles]:
            many = (len(rows), *precision.shape)
            pull = np.broadcast_to(precision @ self.mean, many[:2])
            prior = np.broadcast_to(precision, many)
            votes = Votes(rows, weight, target, prior, pull, np.zeros(many))
            return posteriors(votes, self.mean, root)

        return weights

    def root(self) -> Doubles:
        """Return a root ``(K, K)`` of the covariance of users' weights."""
        _, covariance = simplex_moments(self.mean[None], self.covariance[None])
        values, vectors = np.linalg.eigh(covariance[0])
        root: Doubles = vectors * np.sqrt(np.maximum(values, 0.0))
        return root


def fit_basis(sample: Sample, shared: Doubles, bases: int, ridge: float) -> Found:
    """Return the basis and the users' logits of greatest likelihood, from a spectral start."""
    start = spectral_start(sample, shared, rank=bases // 2, ridge=ridge)
    way, z = _START * start.basis[:, 1:], start.free / _START
    way, z = np.concatenate([way, -way], 1), np.concatenate([z, -z], 1)
    missing = bases - way.shape[1]  # an odd one, and those that few users leave without a direction
    way, z = np.pad(way, ((0, 0), (0, missing))), np.pad(z, ((0, 0), (0, missing)))
    anchor = np.repeat(shared[:, None], bases, axis=1)
    fit = fit_jointly(
        sample,
        Fit(anchor + way, z),
        Softmax(),
        anchor=anchor,
        ridge=np.full(bases, ridge),
        precision=_LOGIT_PRECISION,
    )
    mean = fit.free.mean(0)
    away = fit.free - mean
    covariance = away.T @ away / len(away) + _LEAST_VARIANCE * np.eye(bases)
    return Found(fit.basis, mean, covariance)

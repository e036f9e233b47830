"""How likely each answer of a person is, given those before it since some moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from persona_engine.modelling.differences import Doubles
from persona_engine.types import Evidence, FloatArray, IntArray

_STEPS = 6  # of Newton's method in one dimension
_LEAST_VARIANCE = 1e-12
_FAR = 4.0  # longest step


@dataclass(frozen=True, slots=True)
class _Filters:
    """What is believed of one person's logits, from ``C`` different moments on.

    Args:
        mean: ``(C, n)``.
        covariance: ``(C, n, n)``.
    """

    mean: Doubles
    covariance: Doubles

    def variance(self, row: int, active: int) -> Doubles:
        """Return the variance of one logit in the first filters, ``(active,)``."""
        return np.maximum(self.covariance[:active, row, row], _LEAST_VARIANCE)

    def learn(self, row: int, weight: float, target: float, active: int) -> None:
        """Learn from an answer, in the first filters.

        Args:
            row: Which answer.
            weight: Its strength.
            target: Share of the preference that goes to what was chosen.
            active: How many filters have begun.
        """
        mean, variance = self.mean[:active, row].copy(), self.variance(row, active)
        centre = mean.copy()
        for damping in _dampings(weight, centre, variance):
            p = 0.5 + 0.5 * np.tanh(0.5 * damping * centre)
            curvature = weight * damping * p * (1.0 - p)
            slope = weight * (target - p) - (centre - mean) / variance
            centre += np.clip(slope / (curvature + 1.0 / variance), -_FAR, _FAR)
        along = self.covariance[:active, row].copy()  # (C, n)
        self.mean[:active] += along * ((centre - mean) / variance)[:, None]
        shrink = curvature / (1.0 + curvature * variance)
        self.covariance[:active] -= (along * shrink[:, None])[:, :, None] * along[:, None]

    @classmethod
    def begin(cls, mean: FloatArray, covariance: Doubles, starts: int) -> Self:
        """Return so many filters that have seen nothing."""
        return cls(
            np.tile(mean.astype(np.float64), (starts, 1)),
            np.tile(covariance.astype(np.float64), (starts, 1, 1)),
        )


def _dampings(weight: float, centre: Doubles, variance: Doubles) -> Iterator[Doubles]:
    """Yield ``κ`` of each step: 1 on the way to the mode, then that of the spread there.

    The last step goes towards the variational Gaussian, as in `persona_engine.modelling.newton`.

    Args:
        weight: Strength of the answer.
        centre: ``(C,)`` where each filter is, which the caller moves on the way.
        variance: ``(C,)`` variance before the answer.
    """
    for _ in range(_STEPS):
        yield np.ones_like(variance)
    p = 0.5 + 0.5 * np.tanh(0.5 * centre)
    after = 1.0 / (1.0 / variance + weight * p * (1.0 - p))
    yield 1.0 / np.sqrt(1.0 + np.pi / 8.0 * after)


def log_likelihoods_since(
    gram: Doubles,
    offset: FloatArray,
    evidence: Evidence,
    starts: IntArray,
    *,
    recall: FloatArray | None = None,
    width: float = 1.0,
) -> FloatArray:
    """Return ``log P(answer t | answers s … t-1)`` for each start ``s``, ``(C, n)``; 0 before it.

    Assumed-density filtering: each answer's logistic likelihood is replaced by the Gaussian of its
    variational mean and curvature, and the prediction is MacKay's (1992). One pass over ``n``
    answers gives all starts.

    Args:
        gram: ``(n, n)`` prior covariance of the logits of the comparisons.
        offset: ``(n,)`` their prior mean.
        evidence: The comparisons, oldest first; only weights and targets are read.
        starts: ``(C,)`` ascending rows.
        recall: ``(n, n)`` covariance of what the user thinks of single responses, of a model whose
            predictions count the mean of that but not its spread.
        width: Factor on the variance of tastes, where it is predicted from.
    """
    tastes = _Filters.begin(offset, gram, len(starts))
    all_of_it = tastes if recall is None else _Filters.begin(offset, gram + recall, len(starts))
    result = np.zeros((len(starts), len(offset)), np.float32)
    for row in range(len(offset)):
        active = int(np.searchsorted(starts, row, side="right"))
        weight, target = float(evidence.weight[row]), float(evidence.target[row])
        spread = width * tastes.variance(row, active)
        damped = all_of_it.mean[:active, row] / np.sqrt(1.0 + np.pi / 8.0 * spread)
        result[:active, row] = weight * (target * damped - np.logaddexp(0.0, damped))
        for filters in (tastes,) if recall is None else (tastes, all_of_it):
            filters.learn(row, weight, target, active)
    return result

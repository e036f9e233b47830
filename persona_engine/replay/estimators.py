"""Estimators of a policy's mean reward from what another policy has logged.

With logged candidate ``a``, its propensity ``p``, the reward ``r`` that it got and the target
policy's probabilities ``π``, the weight is ``w = π(a) / p``:

- inverse propensity scoring (Horvitz & Thompson 1952): mean of ``w r``;
- self-normalised (Swaminathan & Joachims 2015): ``Σ w r / Σ w``;
- doubly robust (Dudík, Langford & Li 2011, arXiv:1103.4601): mean of
  ``Σ_b π(b) q(b) + w (r - q(a))`` with a reward model ``q``: unbiased where the propensities or
  the model are right, and less noisy the better the model is.

Errors are standard errors with choices of one user taken together (Liang & Zeger 1986).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.modelling import Doubles
from persona_engine.types import Estimate, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """Logged choices with a target policy's probability of each.

    Args:
        reward: ``(n,)`` what the shown candidate got.
        propensity: ``(n,)`` probability with which it was shown, above 0.
        target: ``(n,)`` probability with which the target policy shows it.
        user: ``(n,)`` whose choice it was.

    Raises:
        InvalidInputError: Lengths differ, nothing was logged, or a number is out of range.
    """

    reward: Doubles
    propensity: Doubles
    target: Doubles
    user: IntArray

    def __post_init__(self) -> None:
        lengths = {len(each) for each in (self.reward, self.propensity, self.target, self.user)}
        if len(lengths) != 1 or 0 in lengths:
            raise InvalidInputError(
                f"columns of a log have {sorted(lengths)} rows, expected equally many, at least 1"
            )
        if not (np.isfinite(self.reward).all() and (self.propensity > 0.0).all()):
            raise InvalidInputError(
                "a logged reward is not finite or a propensity not above 0",
                remedy="log choices with epsilon above 0",
            )
        if not ((self.target >= 0.0) & (self.target <= 1.0)).all():
            raise InvalidInputError("a target policy's probability is not from 0 to 1")

    @property
    def weight(self) -> Doubles:
        """How much each choice counts for the target policy, ``(n,)``."""
        result: Doubles = self.target / self.propensity
        return result

    @property
    def effective(self) -> float:
        """Number of equal weights that would tell as much (Kish 1965)."""
        weight = self.weight
        total = float(np.square(weight).sum())
        return float(weight.sum()) ** 2 / total if total > 0.0 else 0.0


def clustered(values: Doubles, user: NDArray[np.int64]) -> Estimate:
    """Return the mean of values with its standard error, users taken as wholes.

    Examples:
        >>> clustered(np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 1])).error
        0.5
    """
    mean = float(values.mean())
    _, place = np.unique(user, return_inverse=True)
    sums = np.bincount(place, values - mean)
    users = len(sums)
    if users < 2:
        return Estimate(mean, float("nan"))
    spread = float(np.square(sums).sum()) * users / (users - 1)
    return Estimate(mean, float(np.sqrt(spread)) / len(values))


def ips(log: Log) -> Estimate:
    """Return the inverse propensity estimate."""
    return clustered(log.weight * log.reward, log.user)


def snips(log: Log) -> Estimate:
    """Return the self-normalised estimate; its error is that of the ratio's linear part."""
    weight = log.weight
    total = float(weight.sum())
    if total <= 0.0:
        return Estimate(float("nan"), float("nan"))
    value = float(weight @ log.reward) / total
    linear = clustered(weight * (log.reward - value) * len(weight) / total, log.user)
    return Estimate(value, linear.error)


def doubly_robust(log: Log, shown: Doubles, expected: Doubles) -> Estimate:
    """Return the doubly robust estimate.

    Args:
        log: The logged choices.
        shown: ``(n,)`` the reward model's prediction for the shown candidate.
        expected: ``(n,)`` its mean prediction under the target policy.
    """
    return clustered(expected + log.weight * (log.reward - shown), log.user)

"""How much a question is worth asking: what its answer is expected to teach about a person."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.types import JointScore, Score

Criterion = Literal["bald", "d_optimal", "pref"]
"""``bald`` is the default; the others look at each logit by itself."""

Doubles = NDArray[np.float64]

_POINTS, _MASS = np.polynomial.hermite_e.hermegauss(15)
_SHARES = _MASS / _MASS.sum()
_PEOPLE = 256  # drawn from a posterior


def check_criterion(name: object) -> None:
    """Raise unless there is such a criterion.

    Raises:
        InvalidInputError: There is none.
    """
    known = get_args(Criterion)
    if name not in known:
        raise InvalidInputError(f"criterion is {name!r}, expected one of {', '.join(known)}")


def information_gain(logit: Score) -> Doubles:
    """Return how much each answer is expected to say about the person, in nats.

    ``I(y; u) = H[E_u p] - E_u H[p]`` with ``p = σ(logit)`` and the logit Gaussian under the
    posterior: the doubt about the answer, less the doubt that would remain if the person's taste
    were known (BALD: Houlsby et al. 2011, arXiv 1112.5745). Both expectations are Gauss–Hermite
    sums over the logit. A comparison that is a coin toss even for somebody known gains nothing,
    which is where plain uncertainty sampling goes wrong.

    Args:
        logit: Mean and standard deviation of each comparison's log-odds, ``(n,)``.

    Examples:
        >>> known, unknown = Score(np.float32([0.0]), np.float32([0.0])), Score(
        ...     np.float32([0.0]), np.float32([3.0])
        ... )
        >>> bool(information_gain(known)[0] < 1e-9 < 0.2 < information_gain(unknown)[0])
        True
    """
    mean, std = logit.mean.astype(np.float64), logit.std.astype(np.float64)
    p = 0.5 + 0.5 * np.tanh(0.5 * (mean[:, None] + std[:, None] * _POINTS))  # (n, 15)
    gain: Doubles = entropy(p @ _SHARES) - entropy(p) @ _SHARES
    return np.maximum(gain, 0.0)


def d_optimality(logit: Score) -> Doubles:
    """Return by how much each answer shrinks the posterior's volume: ``½ log(1 + p(1-p) s²)``.

    ``s²`` is the variance ``vᵀSv`` of the logit: the determinant of the precision grows by that
    factor (D-optimal design of a logistic model: Chaloner and Verdinelli 1995, "Bayesian
    experimental design: a review").
    """
    p = logit.probability().astype(np.float64)
    gain: Doubles = 0.5 * np.log1p(p * (1.0 - p) * np.square(logit.std.astype(np.float64)))
    return gain


def pref_score(logit: Score) -> Doubles:
    """Return ``σ'(μ)² s²``, the criterion of PReF (Shenfeld et al. 2025, arXiv 2503.06358).

    ``s²`` is the variance ``vᵀSv`` of the logit: the largest step of the estimate that an answer
    can make, seen in the probability of the comparison itself.
    """
    p = 0.5 + 0.5 * np.tanh(0.5 * logit.mean.astype(np.float64))
    score: Doubles = np.square(p * (1.0 - p) * logit.std.astype(np.float64))
    return score


def joint_gain(joint: JointScore) -> Doubles:
    """Return how much each answer is expected to say about all the answers, in nats.

    ``I(y; y*) = H[E y*] - E_y H[E y* | y]``, averaged over all questions: the mutual information
    between this answer and theirs under the joint posterior (the expected predictive form of
    information gain: Smith et al. 2023, arXiv 2304.08151). What is learned of tastes that no other
    question depends on counts for little, and what many of them share counts for each. The
    expectations are sums over 256 people drawn from the posterior, the same ones whenever it is
    asked, in mirrored pairs.

    Args:
        joint: The questions' logits together.

    Examples:
        >>> apart, together = np.float32([0.0, 0.0, 2.0]), np.float32([2.0, 2.0, 0.0])
        >>> logits = JointScore(np.zeros(3), np.stack([apart, together], 1), np.zeros(3))
        >>> gain = joint_gain(logits)
        >>> bool(gain[0] > 1.3 * gain[2])
        True
    """
    likely = _people(joint)  # (S, n): P(a) of each drawn person
    mean = np.clip(likely.mean(0), 1e-9, 1.0 - 1e-9)
    both = likely.T @ likely / len(likely)  # (n, n): P(y = a and y* = a)
    given_a = both / mean[:, None]
    given_b = (mean[None] - both) / (1.0 - mean)[:, None]
    left = mean * entropy(given_a).mean(1) + (1.0 - mean) * entropy(given_b).mean(1)
    gain: Doubles = np.maximum(entropy(mean).mean() - left, 0.0)
    return gain


def entropy(p: Doubles) -> Doubles:
    """Return the entropy of a coin with P(heads) = p, in nats."""
    q = np.clip(p, 1e-12, 1.0 - 1e-12)
    result: Doubles = -q * np.log(q) - (1.0 - q) * np.log1p(-q)
    return result


def _people(joint: JointScore) -> Doubles:
    """Return P(a) ``(S, n)`` of people drawn from the posterior, what stays unknown integrated."""
    drawn = _draws(joint.factor.shape[1]) @ joint.factor.T.astype(np.float64)
    damping = np.sqrt(1.0 + np.pi / 8.0 * np.square(joint.own.astype(np.float64)))
    likely: Doubles = 0.5 + 0.5 * np.tanh(0.5 * (joint.mean + drawn) / damping)
    return likely


@lru_cache(maxsize=8)
def _draws(rank: int) -> Doubles:
    half = np.random.default_rng(0).normal(size=(_PEOPLE // 2, rank))
    return np.concatenate([half, -half])

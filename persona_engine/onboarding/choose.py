"""Which question to ask next: the one whose answer would teach most about the person."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from persona_engine.interfaces import RewardModel
from persona_engine.onboarding.bank import question_bank
from persona_engine.onboarding.bank_features import sides
from persona_engine.types import FloatArray, Population, Posterior, Question, Score

_POINTS, _MASS = np.polynomial.hermite_e.hermegauss(15)
_SHARES = _MASS / _MASS.sum()
_LEAST_GAIN = 1e-4  # nats; below this an answer teaches nothing
_CLEARLY_MORE = 1.5  # times the gain that a style asked already must promise
_AS_GOOD = 0.98  # share of the best gain from which a draw decides


def information_gain(logit: Score) -> NDArray[np.float64]:
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
    gain: NDArray[np.float64] = _entropy(p @ _SHARES) - _entropy(p) @ _SHARES
    return np.maximum(gain, 0.0)


def next_question(
    model: RewardModel,
    population: Population,
    posterior: Posterior,
    pool: Sequence[Question],
    features: Mapping[str, FloatArray],
    *,
    asked: Collection[str],
    rng: np.random.Generator,
) -> Question | None:
    """Return the question of the pool that teaches most about this person, or None.

    The measure is `information_gain`. While there are styles that nobody asked about, one that was
    asked already must promise half as much again; among questions as good as the best within two
    percent, a draw decides, so that not everybody is asked the same.

    Args:
        model: The reward model; called once for the whole pool.
        population: What it was fitted to.
        posterior: What is believed about the person so far.
        pool: Candidates, such as `question_bank()`.
        features: Features ``(D,)`` of each reply of the pool by content key, as
            `DefaultPopulation.features` has them.
        asked: Ids that were asked before; they are not asked again.
        rng: Decides between equally good ones.

    Returns:
        None when every question was asked, or none would teach anything.

    Raises:
        InvalidInputError: ``features`` lacks a reply of the pool.
        FingerprintMismatchError: The posterior stands on another population.
    """
    left = [question for question in pool if question.id not in asked]
    if not left:
        return None
    gain = information_gain(model.logit(population, posterior, *sides(left, features)))
    if gain.max() < _LEAST_GAIN:
        return None
    styles = {question.style for question in (*pool, *question_bank()) if question.id in asked}
    again = np.array([q.style is not None and q.style in styles for q in left])
    worth = np.where(again, gain / _CLEARLY_MORE, gain)
    best = np.flatnonzero(worth >= _AS_GOOD * worth.max())
    return left[int(rng.choice(best))]


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy of a coin with P(heads) = p, in nats."""
    q = np.clip(p, 1e-12, 1.0 - 1e-12)
    result: NDArray[np.float64] = -q * np.log(q) - (1.0 - q) * np.log1p(-q)
    return result

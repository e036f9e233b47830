"""The test of a rule: a weighted sign test, exact, and Holm's correction for the number tried."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_engine.types import IntArray
from persona_principles.choices import Doubles, Mask, Votes

_FLOOR = 1e-13  # what rounding in the transform may add up to


def sign_test(votes: Votes, strength: IntArray, chances: Doubles) -> float:
    """Return P(the weighted votes for a rule are this many or more | choices are random).

    With equal strengths and chances of a half this is the one-sided binomial test. Votes of 0 do
    not count.

    Args:
        votes: 1 for the rule, -1 against it, 0 neither, ``(U,)``.
        strength: Of each vote, ``(U,)`` whole numbers.
        chances: That a vote is for the rule if choices are random, ``(U,)``.

    Examples:
        >>> round(sign_test(np.int8([1] * 9 + [-1]), np.ones(10, np.int64), np.full(10, 0.5)), 4)
        0.0107
    """
    said = votes != 0
    return upper_tail(votes[said] > 0, strength[said], chances[said])


def upper_tail(right: Mask, strength: IntArray, probability: Doubles) -> float:
    """Return P(Σ strength · X ≥ what came out), X independent Bernoulli variables.

    The distribution is had from its characteristic function by a discrete Fourier transform
    (Hong 2013, "On computing the distribution function for the Poisson binomial distribution"),
    exact up to rounding.

    Args:
        right: What came out, ``(U,)``.
        strength: ``(U,)`` whole numbers.
        probability: That each comes out, ``(U,)``.
    """
    if not len(right):
        return 1.0
    size = int(strength.sum()) + 1
    angle = 2.0j * np.pi / size * np.arange(size // 2 + 1)
    kinds, count = np.unique(np.stack([strength, probability]), axis=1, return_counts=True)
    transform = np.ones(len(angle), np.complex128)
    for (step, chance), repeats in zip(kinds.T, count, strict=True):
        transform *= (1.0 - chance + chance * np.exp(-angle * step)) ** int(repeats)
    mass = np.fft.irfft(transform, size)
    tail = float(mass[int(strength[right].sum()) :].sum())
    return min(max(tail, _FLOOR), 1.0)


def holm(p_values: Sequence[float], *, tried: int) -> list[float]:
    """Return adjusted p-values (Holm 1979): rejecting at α wrongly rejects any with P ≤ α.

    It holds however the tests depend on one another.

    Args:
        p_values: Of those that came to a test.
        tried: Number of all that were to be tested, at least as many; the others count as 1.

    Examples:
        >>> holm([0.01, 0.04, 0.03], tried=3)
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    adjusted = np.ones(len(p_values))
    so_far = 0.0
    for place, which in enumerate(order.tolist()):
        so_far = max(so_far, min(1.0, (tried - place) * p_values[which]))
        adjusted[which] = so_far
    found: list[float] = adjusted.tolist()
    return found


def best_p_value(chances: Doubles) -> float:
    """Return the p-value of a rule for which every unit that can speak does, ``2⁻ᵈ`` of ``d``."""
    return float(np.prod(chances[~np.isnan(chances)]))


def worth_testing(best: Sequence[float], *, level: float, besides: int) -> list[bool]:
    """Return which tests can succeed at all, so that only these count as tried (Tarone 1990).

    Which ones these are follows from the replies alone, not from what was chosen, so that leaving
    the others out costs no validity.

    Args:
        best: The least p-value that each can have.
        level: Of the family.
        besides: Tests that are made besides these.

    Examples:
        >>> worth_testing([1e-6, 1e-6, 0.1], level=0.05, besides=0)
        [True, True, False]
    """
    rank = np.arange(1, len(best) + 1)
    can = np.flatnonzero(np.sort(best) * (rank + besides) <= level)
    if not len(can):
        return [False] * len(best)
    kept = int(can[-1]) + 1
    bound = level / (kept + besides)
    return [each <= bound for each in best]

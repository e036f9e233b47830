"""The test of a rule: a weighted sign test, exact, and Holm's correction for the number tried."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import IntArray
from persona_principles.choices import Votes

Doubles = NDArray[np.float64]

_FLOOR = 1e-13  # what rounding in the transform may add up to


def sign_test(votes: Votes, strength: IntArray) -> float:
    """Return P(the weighted votes for a rule are this many or more | every vote is a fair coin).

    With equal strengths this is the one-sided binomial test. Votes of 0 do not count.

    Args:
        votes: 1 for the rule, -1 against it, 0 neither, ``(U,)``.
        strength: Of each vote, ``(U,)`` whole numbers.

    Examples:
        >>> ones = np.ones(10, np.int64)
        >>> round(sign_test(np.int8([1] * 9 + [-1]), ones), 4)
        0.0107
    """
    said = votes != 0
    return upper_tail(votes[said] > 0, strength[said], np.full(int(said.sum()), 0.5))


def upper_tail(right: NDArray[np.bool_], strength: IntArray, probability: Doubles) -> float:
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


def worth_testing(decided: Sequence[int], *, level: float, besides: int) -> list[bool]:
    """Return which tests can succeed at all, so that only these count as tried (Tarone 1990).

    A rule on which ``d`` comparisons decide has a p-value of ``2⁻ᵈ`` at the best. Which rules these
    are follows from the replies alone, not from what was chosen, so that leaving the others out
    costs no validity.

    Args:
        decided: Comparisons that decide on each rule.
        level: Of the family.
        besides: Tests that are made besides these.

    Examples:
        >>> worth_testing([20, 20, 3], level=0.05, besides=0)
        [True, True, False]
    """
    best = np.exp2(-np.asarray(decided, np.float64))
    rank = np.arange(1, len(best) + 1)
    can = np.flatnonzero(np.sort(best) * (rank + besides) <= level)
    if not len(can):
        return [False] * len(best)
    kept = int(can[-1]) + 1
    bound = level / (kept + besides)
    found: list[bool] = (best <= bound).tolist()
    return found

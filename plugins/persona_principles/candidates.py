"""Rules that stand trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_principles.choices import Mask, Votes


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A rule, and the reply that it favours in each decided comparison.

    Args:
        text: The rule as an instruction.
        attribute: The named attribute that it is about, or None.
        favours: ``(d,)``: 1 ``chosen``, -1 ``rejected``, 0 where it has nothing to say.
        tested: Units that did not propose it, ``(U,)``; None for all of them.
    """

    text: str
    attribute: str | None
    favours: Votes
    tested: Mask | None = None


def both_ways(
    low: str,
    high: str,
    difference: NDArray[np.floating],
    least: float,
    *,
    attribute: str | None = None,
) -> tuple[Candidate, Candidate]:
    """Return the rules for less and for more of something.

    Args:
        low: The rule for less.
        high: The rule for more.
        difference: How much more of it ``chosen`` has than ``rejected``, ``(d,)``.
        least: Smaller differences say nothing.
        attribute: The named attribute that it is.
    """
    votes = np.where(np.abs(difference) >= least, np.sign(difference), 0.0).astype(np.int8)
    return Candidate(low, attribute, -votes), Candidate(high, attribute, votes)


def without_repeats(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that favour something, of equal ones the first.

    Of two rules that favour the same reply everywhere, and stand trial on the same comparisons, no
    choice could tell which is meant.
    """
    seen: set[tuple[bytes, bytes]] = set()
    kept = []
    for each in candidates:
        key = (each.favours.tobytes(), b"" if each.tested is None else each.tested.tobytes())
        if each.favours.any() and key not in seen:
            seen.add(key)
            kept.append(each)
    return kept

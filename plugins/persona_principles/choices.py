"""What a person chose, as independent pieces of evidence with a side and a strength."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import Evidence, IntArray, PairText

Votes = NDArray[np.int8]
Mask = NDArray[np.bool_]

_LEVELS = 16  # of strength, so that the distribution of a weighted sum can be had exactly


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """Decided comparisons, gathered into units that count once each.

    Comparisons that share a reply to the same prompt, such as the best of four against the three
    others, are one act of choosing: one unit, which says what most of them say.

    Args:
        rows: The decided comparisons among all, ``(d,)``.
        side: 1 where ``chosen`` was preferred, -1 where ``rejected`` was, ``(d,)``.
        unit: The unit of each, ``(d,)``, numbered ``0 … U-1`` by content, whatever their order.
        weight: Strength of each, ``(d,)``.
        strength: Of the units, ``(U,)`` whole numbers.
    """

    rows: IntArray
    side: Votes
    unit: IntArray
    weight: NDArray[np.float64]
    strength: IntArray

    @property
    def units(self) -> int:
        """How many acts of choosing there are, ``U``."""
        return len(self.strength)

    def by_unit(self, favours: Votes) -> Votes:
        """Return what the units say of a rule, ``(U,)``: 1 for it, -1 against, 0 nothing.

        Args:
            favours: The reply that the rule favours in each decided comparison, ``(d,)``: 1
                ``chosen``, -1 ``rejected``, 0 neither.
        """
        said = np.bincount(self.unit, self.weight * favours * self.side, minlength=self.units)
        votes: Votes = np.sign(np.where(np.abs(said) < 1e-9, 0.0, said)).astype(np.int8)
        return votes


def read_choices(texts: Sequence[PairText], evidence: Evidence) -> Choices:
    """Return the comparisons that decide something: no ties, none of weight 0, no equal replies."""
    lean = 2.0 * evidence.target.astype(np.float64) - 1.0
    weight = evidence.weight.astype(np.float64) * np.minimum(np.abs(lean), 1.0)
    differ = np.array([each.chosen != each.rejected for each in texts], bool)
    rows = np.flatnonzero((weight > 1e-9) & differ).astype(np.int64)
    unit = _units([texts[int(row)] for row in rows])
    count = int(unit.max(initial=-1)) + 1
    most = np.zeros(count)
    np.maximum.at(most, unit, weight[rows])
    return Choices(
        rows, np.sign(lean[rows]).astype(np.int8), unit, weight[rows], _whole_numbers(most)
    )


def _units(texts: Sequence[PairText]) -> IntArray:
    """Return the unit of each comparison ``(d,)``, in the order of their least content."""
    leader: dict[tuple[str, str], tuple[str, str]] = {}

    def find(reply: tuple[str, str]) -> tuple[str, str]:
        while leader.setdefault(reply, reply) != reply:
            reply = leader[reply]
        return reply

    for each in texts:
        a, b = find((each.prompt, each.chosen)), find((each.prompt, each.rejected))
        leader[max(a, b)] = min(a, b)
    roots = [find((each.prompt, each.chosen)) for each in texts]
    number = {root: place for place, root in enumerate(sorted(set(roots)))}
    return np.array([number[root] for root in roots], np.int64)


def _whole_numbers(strength: NDArray[np.float64]) -> IntArray:
    """Return strengths as small whole numbers, the greatest at most 16.

    Examples:
        >>> _whole_numbers(np.array([1.0, 1.0, 0.5])).tolist()
        [2, 2, 1]
    """
    if not len(strength):
        return np.zeros(0, np.int64)
    levels = np.maximum(np.rint(_LEVELS * strength / strength.max()), 1.0).astype(np.int64)
    coarse: IntArray = levels // math.gcd(*levels.tolist())
    return coarse

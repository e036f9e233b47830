"""What a person chose, as independent pieces of evidence with a strength."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import Evidence, FloatArray, IntArray, PairText

Doubles = NDArray[np.float64]
Votes = NDArray[np.int8]
Mask = NDArray[np.bool_]

_LEVELS = 16  # of strength, so that the distribution of a weighted sum can be had exactly


@dataclass(frozen=True, slots=True, eq=False)
class Star:
    """Comparisons of one reply with several others, which it won or lost altogether.

    Args:
        places: Of the comparisons, one for each other reply.
        won: Whether the one reply was preferred to all others.
    """

    places: IntArray
    won: bool


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """Decided comparisons, gathered into units that count once each.

    Comparisons that share a reply to the same prompt, such as the best of four against the three
    others, are one act of choosing: one unit, which says what most of them say. A rule is given as
    its *lead* in each comparison, ``(d,)``: by how much the preferred reply follows it better than
    the other, in units of the least difference that counts.

    Args:
        rows: The decided comparisons among all, ``(d,)``.
        pairs: Their texts, with the preferred reply as ``chosen``.
        apart: Features of the preferred reply less the other's, ``(d, D)``.
        weight: Strength of each, ``(d,)``.
        unit: The unit of each, ``(d,)``, numbered ``0 … U-1`` by content, whatever their order.
        strength: Of the units, ``(U,)`` whole numbers.
        stars: The units that are stars.
    """

    rows: IntArray
    pairs: tuple[PairText, ...]
    apart: FloatArray
    weight: Doubles
    unit: IntArray
    strength: IntArray
    stars: Mapping[int, Star]

    @property
    def units(self) -> int:
        """How many acts of choosing there are, ``U``."""
        return len(self.strength)

    def votes(self, lead: Doubles) -> Votes:
        """Return what the units say of a rule, ``(U,)``: 1 for it, -1 against, 0 nothing."""
        said = np.bincount(self.unit, self.weight * sides(lead), minlength=self.units)
        for unit, star in self.stars.items():
            said[unit] = sides(lead[star.places]).sum()
        votes: Votes = np.sign(np.where(np.abs(said) < 1e-9, 0.0, said)).astype(np.int8)
        return votes

    def chances(self, lead: Doubles) -> Doubles:
        """Return P(a unit speaks for the rule | it speaks, and the choice was random), ``(U,)``.

        It is a half for two replies, and for several in any order, which is as probable as the
        reverse. Of several replies of which one was picked, each is as probable as the others: who
        picks one of four by chance rarely hits the only one with an emoji. NaN where the unit
        cannot speak.
        """
        can = np.bincount(self.unit, np.abs(sides(lead)), minlength=self.units) > 0
        chances = np.where(can, 0.5, np.nan)
        for unit, star in self.stars.items():
            others = -lead[star.places] if star.won else lead[star.places]
            level = np.concatenate([[0.0], others])  # how well each reply follows the rule
            said = np.sign(sides(level[:, None] - level[None, :]).sum(1, dtype=np.int64))
            spoke, right = np.count_nonzero(said), np.count_nonzero(said > 0)
            share = (right if star.won else spoke - right) / spoke if spoke else np.nan
            chances[unit] = share
        return chances


def sides(lead: Doubles) -> Votes:
    """Return which reply a rule favours: 1 the preferred, -1 the other, 0 neither."""
    votes: Votes = np.where(np.abs(lead) >= 1.0, np.sign(lead), 0.0).astype(np.int8)
    return votes


def read_choices(texts: Sequence[PairText], evidence: Evidence) -> Choices:
    """Return the comparisons that decide something: no ties, none of weight 0, no equal replies."""
    lean = 2.0 * evidence.target.astype(np.float64) - 1.0
    weight = evidence.weight.astype(np.float64) * np.minimum(np.abs(lean), 1.0)
    differ = np.array([each.chosen != each.rejected for each in texts], bool)
    rows = np.flatnonzero((weight > 1e-9) & differ).astype(np.int64)
    pairs = tuple(texts[row] if lean[row] > 0 else _turned(texts[row]) for row in rows.tolist())
    side = np.sign(lean[rows]).astype(np.float32)[:, None]
    unit = _units(pairs)
    most = np.zeros(int(unit.max(initial=-1)) + 1)
    np.maximum.at(most, unit, weight[rows])
    return Choices(
        rows=rows,
        pairs=pairs,
        apart=side * (evidence.chosen[rows] - evidence.rejected[rows]),
        weight=weight[rows],
        unit=unit,
        strength=_whole_numbers(most),
        stars=_stars(pairs, unit),
    )


def _turned(pair: PairText) -> PairText:
    return PairText(pair.prompt, pair.rejected, pair.chosen)


def _units(pairs: Sequence[PairText]) -> IntArray:
    """Return the unit of each comparison ``(d,)``, in the order of their least content."""
    leader: dict[tuple[str, str], tuple[str, str]] = {}

    def find(reply: tuple[str, str]) -> tuple[str, str]:
        while leader.setdefault(reply, reply) != reply:
            reply = leader[reply]
        return reply

    for each in pairs:
        a, b = find((each.prompt, each.chosen)), find((each.prompt, each.rejected))
        leader[max(a, b)] = min(a, b)
    roots = [find((each.prompt, each.chosen)) for each in pairs]
    number = {root: place for place, root in enumerate(sorted(set(roots)))}
    return np.array([number[root] for root in roots], np.int64)


def _stars(pairs: Sequence[PairText], unit: IntArray) -> dict[int, Star]:
    """Return the units in which one reply won, or lost, against several others."""
    members: dict[int, dict[tuple[str, str], int]] = defaultdict(dict)
    for place, each in enumerate(pairs):
        members[int(unit[place])].setdefault((each.chosen, each.rejected), place)
    found = {}
    for which, some in members.items():
        winners, losers = {a for a, _ in some}, {b for _, b in some}
        if len(some) > 1 and 1 in (len(winners), len(losers)):
            found[which] = Star(np.array(sorted(some.values()), np.int64), len(winners) == 1)
    return found


def _whole_numbers(strength: Doubles) -> IntArray:
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

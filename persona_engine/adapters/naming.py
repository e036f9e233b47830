"""Names of clusters: lasting across refits, and new ones in the words of what sets them apart."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import FloatArray, Taste

LONGEST = 64
_LEAST_OVERLAP = 0.2  # of two clusters' users in either, from which they are the same cluster
_SURE = 0.75  # least probability of a pole, from which a cluster is named by it
_WORDS = 2

Doubles = NDArray[np.float64]


def inherited(old: FloatArray, new: FloatArray) -> dict[int, int]:
    """Return the old cluster that each new one continues, by their places.

    Of all ways to pair them the one in which most membership is shared, each cluster in one pair at
    most; then pairs that share less than a fifth of their users (soft Jaccard index) are parted.

    Args:
        old: Memberships ``(U, J)`` of some users in the old clusters.
        new: Memberships ``(U, K)`` of the same users in the new ones.

    Examples:
        >>> before = np.float32([[1, 0], [1, 0], [0, 1], [0, 1]])
        >>> inherited(before, before[:, ::-1])
        {0: 1, 1: 0}
    """
    shared = new.T.astype(np.float64) @ old.astype(np.float64)  # (K, J)
    either = new.sum(0, dtype=np.float64)[:, None] + old.sum(0, dtype=np.float64) - shared
    pairs = heaviest_matching(shared)
    return {
        mine: theirs
        for mine, theirs in sorted(pairs.items())
        if shared[mine, theirs] > _LEAST_OVERLAP * max(float(either[mine, theirs]), 1e-12)
    }


def heaviest_matching(weight: Doubles) -> dict[int, int]:
    """Return, by row, the columns of a matching of greatest weight; every row or column is in it.

    The Hungarian method with potentials, O(n³) (Kuhn 1955; Munkres 1957).

    Args:
        weight: ``(n, m)``.

    Examples:
        >>> heaviest_matching(np.array([[3.0, 2.0], [2.9, 0.0]]))
        {0: 1, 1: 0}
    """
    rows, columns = weight.shape
    if rows > columns:
        return {row: column for column, row in sorted(heaviest_matching(weight.T).items())}
    cost = np.concatenate([np.zeros((1, columns)), -weight])  # row 0 is the one that is placed
    row_potential, column_potential = np.zeros(rows + 1), np.zeros(columns + 1)
    owner = np.zeros(columns + 1, np.int64)  # of each column, 1-based; column 0 holds who is placed
    for row in range(1, rows + 1):
        owner[0] = row
        _place(cost, owner, row_potential, column_potential)
    placed = {int(owner[column]) - 1: column - 1 for column in range(1, columns + 1)}
    return {row: placed[row] for row in sorted(placed) if row >= 0}


def _place(cost: Doubles, owner: NDArray[np.int64], rows: Doubles, columns: Doubles) -> None:
    """Give the row in ``owner[0]`` a column along the cheapest path of changes."""
    count = cost.shape[1]
    least = np.full(count + 1, math.inf)
    came_from = np.zeros(count + 1, np.int64)
    seen = np.zeros(count + 1, bool)
    column = 0
    while owner[column]:
        seen[column] = True
        row = owner[column]
        reduced = cost[row] - rows[row] - columns[1:]
        better = ~seen[1:] & (reduced < least[1:])
        least[1:][better], came_from[1:][better] = reduced[better], column
        nearest = int(np.where(seen[1:], math.inf, least[1:]).argmin()) + 1
        step = least[nearest]
        rows[owner[seen]] += step
        columns[seen] -= step
        least[~seen] -= step
        column = nearest
    while column:
        owner[column] = owner[came_from[column]]
        column = int(came_from[column])


def new_name(tastes: Sequence[Taste], taken: Collection[str]) -> str:
    """Return a name that nobody has, of the poles that a cluster surely prefers.

    Args:
        tastes: The cluster's, strongest first.
        taken: Names that are not free.

    Examples:
        >>> brief = Taste("length", "concise", "detailed", -4.0, 0.5)
        >>> blunt = Taste("directness", "diplomatic", "blunt", 2.0, 0.5)
        >>> new_name([brief, blunt], ())
        'concise-blunt'
        >>> new_name([brief, blunt], ("concise-blunt",))
        'concise-blunt-2'
    """
    words = [_slug(each.high if each.mean > 0 else each.low) for each in tastes if _sure(each)]
    words = [each for each in words if each]
    for count in range(min(_WORDS, len(words)), len(words) + 1):
        name = "-".join(words[:count])[:LONGEST].strip("-")
        if name and name not in taken:
            return name
    stem = "-".join(words[:_WORDS])[: LONGEST - 8].strip("-") or "group"
    number = 2 if words else 1
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"


def _sure(taste: Taste) -> bool:
    if taste.std == 0.0:
        return taste.mean != 0.0
    return 0.5 * (1.0 + math.erf(abs(taste.mean) / taste.std / math.sqrt(2.0))) >= _SURE


def _slug(text: str) -> str:
    """Return a text as names have it.

    Examples:
        >>> _slug("told as a story")
        'told-as-a-story'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")

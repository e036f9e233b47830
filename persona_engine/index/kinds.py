"""Which kind of index serves how many vectors, and how far an approximate one has to look."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from persona_engine.types import FloatArray, IntArray

IndexKind = Literal["flat", "ivf", "hnsw", "sq"]
"""``flat`` is exact; ``ivf`` looks through inverted lists; ``sq`` does so with 8 bits a number;
``hnsw`` walks a graph."""

EXACT = 50_000
"""Up to so many vectors exact search takes about a millisecond, so nothing is to be gained."""

COMPACT = 2_000_000
"""Above so many, vectors take a quarter of the memory, for a hundredth of a cosine."""

RECALL = 0.97
"""Share of the true ten nearest that is aimed at; 0.95 is promised."""

_NEAREST = 10
_QUERIES = 200


def kind_for(count: int, wanted: IndexKind | Literal["auto"] = "auto") -> IndexKind:
    """Return the kind of index for so many vectors.

    ``hnsw`` is never chosen by itself: on a million vectors it takes minutes to build where ``ivf``
    takes seconds, and an index of users is built anew as they answer. Take it where users hardly
    change and queries are many.

    Examples:
        >>> [kind_for(n) for n in (1_000, 1_000_000, 5_000_000)]
        ['flat', 'ivf', 'sq']
        >>> kind_for(1_000_000, "hnsw"), kind_for(40, "hnsw")
        ('hnsw', 'flat')
    """
    if wanted == "auto":
        return "flat" if count <= EXACT else "ivf" if count <= COMPACT else "sq"
    return "flat" if count < least_for(wanted) else wanted


def least_for(kind: IndexKind) -> int:
    """Return how many vectors an index of a kind needs: fewer are searched as fast one by one."""
    return 1 if kind == "flat" else 1_000


def lists_for(count: int) -> int:
    """Return the number of inverted lists: a query compares as many centroids as list members.

    Examples:
        >>> lists_for(1_000_000)
        2000
    """
    return max(8, 2 * math.isqrt(count))


Search = Callable[[FloatArray, int, int], IntArray]
"""Returns the numbers of the nearest, ``(Q, k)``, to queries ``(Q, D)``, at an effort."""


def held_back(count: int) -> int:
    """Return how many vectors are kept out of an index until its effort has been measured on them.

    Who is in a graph already is found in it more easily than somebody new.

    Examples:
        >>> held_back(100_000), held_back(1_000)
        (200, 100)
    """
    return min(_QUERIES, count // 10)


def least_effort(
    queries: FloatArray, efforts: tuple[int, ...], search: Search, exact: Search
) -> tuple[int, float]:
    """Return the least effort that finds what is nearest, and the share of it that it finds.

    Args:
        queries: ``(Q, D)`` vectors that are not in the index.
        efforts: Lists to look through, or candidates to keep, ascending.
        search: The approximate search.
        exact: The exact one; its effort has no meaning.
    """
    wanted = exact(queries, _NEAREST, 0)
    recall = 0.0
    for effort in efforts:
        recall = recall_of(search(queries, _NEAREST, effort), wanted)
        if recall >= RECALL:
            break
    return effort, recall


def recall_of(found: IntArray, wanted: IntArray) -> float:
    """Return the share of the truly nearest that was found.

    Examples:
        >>> import numpy as np
        >>> recall_of(np.array([[1, 3, -1]]), np.array([[1, 2, -1]]))
        0.5
    """
    hits = total = 0
    for mine, theirs in zip(found.tolist(), wanted.tolist(), strict=True):
        truth = set(theirs) - {-1}
        hits += len(truth & set(mine))
        total += len(truth)
    return hits / total if total else 1.0

"""A sample of users that fits in memory, from a stream of all of them."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable

MOST_COMPARISONS = 100_000
"""Comparisons that a population is fitted on: with 577 features, half a gigabyte of differences.

What all users share is known long before: beyond some thousand users a fit gains nothing that
held-out people would notice.
"""

MOST_OF_ONE = 1_000
"""Comparisons of one user in a sample, the latest: somebody has to leave room for others."""


def sample_users(counts: Iterable[tuple[str, int]], *, most: int) -> list[str] | None:
    """Return users whose comparisons fit in a limit, sorted, or None where everybody's do.

    Kept are those whose names have the least hashes (bottom-k sampling, Cohen & Kaplan 2007,
    "Summarizing data using bottom-k sketches"): one pass, memory for the sample alone, and the same
    sample every time. Forgetting somebody leaves everyone else in it, so that a fit without them is
    a fit of what is left.

    Args:
        counts: Each user, and how many comparisons they made.
        most: The limit.

    Examples:
        >>> sample_users([("ann", 3), ("bob", 4)], most=10)
        >>> sample_users(((f"u{n}", 8) for n in range(1_000)), most=20)
        ['u183', 'u345']
    """
    heap: list[tuple[int, str, int]] = []  # the greatest hash first
    held, limit = 0, 1 << 64
    for user, count in counts:
        place = _hash(user)
        if place >= limit:
            continue
        heapq.heappush(heap, (-place, user, min(count, MOST_OF_ONE)))
        held += min(count, MOST_OF_ONE)
        while held > most and len(heap) > 1:
            negative, _, gone = heapq.heappop(heap)
            held, limit = held - gone, -negative
    return None if limit == 1 << 64 else sorted(user for _, user, _ in heap)


def _hash(user: str) -> int:
    digest = hashlib.blake2b(user.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")

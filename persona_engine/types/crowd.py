"""Comparisons of many users over responses that they share, for bulk inference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.types.evidence import Evidence, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class CrowdEvidence:
    """The comparisons of ``U`` users, one user after the other, over ``M`` distinct responses.

    What many users compared is held once: a million users of a bank of questions take as many
    features as the bank has replies.

    Args:
        items: ``(M, D)`` float32 features of the distinct responses.
        chosen: ``(N,)`` row in ``items`` of each preferred response.
        rejected: ``(N,)`` row of the other one.
        counts: ``(U,)`` comparisons of each user; they add up to ``N``.
        weight: ``(N,)`` strengths; ones if omitted.
        target: ``(N,)`` shares of the preferences that go to ``chosen``, as in `Evidence`; ones if
            omitted.

    Raises:
        InvalidInputError: Shapes disagree, a row is not in ``items``, or a value cannot be used.

    Examples:
        >>> crowd = CrowdEvidence(np.eye(3, dtype=np.float32), np.array([0, 1, 2]),
        ...                       np.array([1, 2, 0]), np.array([2, 0, 1]))
        >>> [len(each) for each in crowd]
        [2, 0, 1]
    """

    items: FloatArray
    chosen: NDArray[np.integer]
    rejected: NDArray[np.integer]
    counts: NDArray[np.integer]
    weight: FloatArray = None  # type: ignore[assignment]  # filled in __post_init__
    target: FloatArray = None  # type: ignore[assignment]  # filled in __post_init__

    def __post_init__(self) -> None:
        for name in ("weight", "target"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.ones(len(self.chosen), np.float32))
        _check(self)

    def __len__(self) -> int:
        return len(self.counts)

    def __iter__(self) -> Iterator[Evidence]:
        """Yield each user's comparisons."""
        return (self.of(user) for user in range(len(self)))

    @cached_property
    def starts(self) -> IntArray:
        """``(U,)`` first comparison of each user."""
        starts: IntArray = np.cumsum(self.counts, dtype=np.int64) - self.counts
        return starts

    def of(self, user: int) -> Evidence:
        """Return one user's comparisons."""
        rows = slice(int(self.starts[user]), int(self.starts[user] + self.counts[user]))
        return Evidence(
            self.items[self.chosen[rows]],
            self.items[self.rejected[rows]],
            self.weight[rows],
            target=self.target[rows],
        )


def _check(crowd: CrowdEvidence) -> None:
    total = len(crowd.chosen)
    if crowd.items.ndim != 2 or not np.isfinite(crowd.items).all():
        raise InvalidInputError(
            f"items have shape {crowd.items.shape}, expected (M, D) finite numbers"
        )
    for name in ("chosen", "rejected", "weight", "target"):
        values = getattr(crowd, name)
        if values.shape != (total,):
            raise InvalidInputError(f"{name} has shape {values.shape}, expected ({total},)")
    if int(crowd.counts.sum()) != total or (total and int(crowd.counts.min()) < 0):
        raise InvalidInputError(
            f"counts add up to {int(crowd.counts.sum())}, expected {total} comparisons"
        )
    for name in ("chosen", "rejected"):
        rows = getattr(crowd, name)
        if total and not (int(rows.min()) >= 0 and int(rows.max()) < len(crowd.items)):
            raise InvalidInputError(f"{name} names rows beyond the {len(crowd.items)} items")
    if not (np.isfinite(crowd.weight).all() and (crowd.weight >= 0).all()):
        raise InvalidInputError("weights must be finite and not negative")
    if not ((crowd.target >= 0).all() and (crowd.target <= 2).all()):
        raise InvalidInputError("targets must be from 0 to 2: 1 for a plain answer, 0.5 for a tie")

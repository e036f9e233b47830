"""Votes for and against single statements, made into comparisons."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from persona_engine.evaluation.dataset import Comparisons, Dataset
from persona_engine.types import IntArray

MOST_QUERIES = 40


@dataclass(frozen=True, eq=False)
class VoteDataset(Dataset):
    """Statements that people voted for or against.

    A statement voted +1 is preferred to one voted -1 by the same person. Each person gives as many
    distinct pairs, drawn at random from all of theirs, as the protocol has use for, so statements
    recur. Where queries must be about other statements than the support, each person's statements
    are first divided in two halves, one for each.

    Args:
        liked: Statements that each person voted for, by user; items are numbered in `items`.
        disliked: Statements that each person voted against.
        user_group: ``(U,)`` group of each person.
    """

    liked: tuple[IntArray, ...] = field(kw_only=True)
    disliked: tuple[IntArray, ...] = field(kw_only=True)
    user_group: IntArray = field(kw_only=True)

    def draw(self, rng: np.random.Generator, *, support: int, disjoint_items: bool) -> Comparisons:
        """Return pairs of every person who voted both for and against something."""
        pairs = []
        for liked, disliked in zip(self.liked, self.disliked, strict=True):
            if disjoint_items:
                pairs.append(_halves(liked, disliked, support, rng))
            else:
                pairs.append(_pairs(liked, disliked, support + MOST_QUERIES, rng))
        user = np.repeat(np.arange(len(pairs)), [len(each) for each in pairs])
        both = np.concatenate([np.zeros((0, 2), np.int64), *pairs])
        return Comparisons(
            user=user,
            chosen=both[:, 0],
            rejected=both[:, 1],
            target=np.ones(len(both)),
            weight=np.ones(len(both)),
            group=self.user_group[user],
            time=np.full(len(both), np.inf),
        )


def _pairs(liked: IntArray, disliked: IntArray, most: int, rng: np.random.Generator) -> IntArray:
    """Return distinct pairs ``(n, 2)`` of one liked and one disliked statement, n <= most."""
    count = min(most, len(liked) * len(disliked))
    drawn = rng.choice(len(liked) * len(disliked), count, replace=False) if count else np.empty(0)
    first, second = np.divmod(drawn.astype(np.int64), max(len(disliked), 1))
    return np.stack([liked[first], disliked[second]], 1)


def _halves(
    liked: IntArray, disliked: IntArray, support: int, rng: np.random.Generator
) -> IntArray:
    """Return pairs of one half of the statements, then pairs of the other half."""
    first, second = ((rng.permutation(each), (len(each) + 1) // 2) for each in (liked, disliked))
    (plus, half_plus), (minus, half_minus) = first, second
    early = _pairs(plus[:half_plus], minus[:half_minus], support, rng)
    late = _pairs(plus[half_plus:], minus[half_minus:], MOST_QUERIES, rng)
    return np.concatenate([early, late])

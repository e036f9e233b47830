"""Users who answered alike beyond chance, and users who came all at once."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.modelling import Doubles
from persona_engine.types import FloatArray, IntArray, PreferenceData

FEWEST_ANSWERS = 8
"""Answers below which nobody is called alike: people of one taste give the same few."""

_ALIKE = 0.8  # share of answers in common
_LIKE_MINDED = 0.85  # how often people of one taste agree: no sign of one hand
_RARE = 0.01  # expected number of such groups among honest people
_ROWS, _BUCKETS = 3, 8  # of the hash that brings users of common answers together
_TOGETHER = (60.0, 3_600.0)  # seconds
_FEWEST_TOGETHER = 10
_PRIME = (1 << 61) - 1


@dataclass(frozen=True, slots=True)
class Answers:
    """What each user said, as numbers that are equal for equal answers.

    Args:
        of_user: For each user, the set of answers: pair and side.
        asked: For each pair, how many users were asked it.
        pair: For each answer, its pair.
    """

    of_user: tuple[frozenset[int], ...]
    asked: Mapping[int, int]
    pair: Mapping[int, int]


def answers_of(data: PreferenceData, chosen: IntArray, users: int) -> Answers:
    """Return what the chosen users said; of the others nothing.

    Args:
        data: Comparisons.
        chosen: Users.
        users: How many there are.
    """
    among = np.zeros(users, bool)
    among[chosen] = True
    rows = np.flatnonzero(among[data.user])
    sets: list[set[int]] = [set() for _ in range(users)]
    pair_of: dict[int, int] = {}
    sides = [_keys(data.chosen[rows]), _keys(data.rejected[rows])]
    for user, first, second in zip(data.user[rows].tolist(), *sides, strict=True):
        answer = hash((first, second))
        sets[user].add(answer)
        pair_of[answer] = hash((min(first, second), max(first, second)))
    asked: dict[int, int] = defaultdict(int)
    for own in sets:
        for pair in {pair_of[each] for each in own}:
            asked[pair] += 1
    return Answers(tuple(map(frozenset, sets)), asked, pair_of)


def alike(answers: Answers) -> Iterator[IntArray]:
    """Yield groups of users whose answers are nearly the same beyond what chance explains.

    Candidates share a bucket of a min-wise hash (Broder 1997); they are of a group when they have
    at least 80% of their answers in common with its first. Chance is that of being asked the same
    pairs, each as often as it is asked of anybody, and of agreeing on 85% of them, as people of one
    taste do.
    """
    users = len(answers.of_user)
    taken = np.zeros(users, bool)
    for bucket in _buckets(answers.of_user):
        waiting = [each for each in bucket if not taken[each]]
        while len(waiting) > 1:
            first = answers.of_user[waiting[0]]
            group = [each for each in waiting if _in_common(first, answers.of_user[each]) >= _ALIKE]
            if len(group) > 1 and _expected(answers, first, users) < _RARE:
                taken[group] = True
                yield np.array(group, np.int64)
            waiting = [each for each in waiting if each not in set(group)]


def together(began: Doubles) -> Iterator[tuple[IntArray, float]]:
    """Yield groups of users who came within a minute or an hour of one another, and that span.

    As many as by a steady stream of newcomers hardly ever come together: the number in a window is
    compared with a Poisson distribution whose rate is the larger of the mean and the median one.

    Args:
        began: ``(U,)`` seconds at which each user was first seen.
    """
    left = np.argsort(began, kind="stable").astype(np.int64)
    for window in _TOGETHER:
        times = began[left]
        gaps = np.diff(times)
        if len(times) < _FEWEST_TOGETHER or not times[-1] > times[0]:
            return
        gap = float(np.median(gaps))
        usual = math.log(2.0) / gap if gap > 0.0 else math.inf
        expected = window * max(len(times) / float(times[-1] - times[0]), usual)
        last = np.searchsorted(times, times + window, side="right")
        steady = np.ones(len(times), bool)
        place = 0
        while place < len(times):
            end = int(last[place])
            if _is_burst(end - place, expected, len(times)):
                steady[place:end] = False
                yield left[place:end], window
                place = end
            else:
                place += 1
        left = left[steady]


def _is_burst(count: int, expected: float, users: int) -> bool:
    """Return whether so many at once happen less than once in a thousand such streams."""
    if count < _FEWEST_TOGETHER or not math.isfinite(expected) or count <= expected:
        return False
    # Chernoff's bound on P(Poisson(expected) >= count).
    bound = count - expected - count * math.log(count / expected)
    return bound + math.log(users) < math.log(1e-3)


def _keys(responses: FloatArray) -> list[int]:
    """Return a number for each row, equal for equal rows."""
    rows = np.ascontiguousarray(responses)
    digests = (hashlib.blake2b(row.tobytes(), digest_size=7).digest() for row in rows)
    return [int.from_bytes(each, "big") for each in digests]


def _buckets(sets: Sequence[frozenset[int]]) -> Iterator[list[int]]:
    """Yield users who share some of the least hashes of their answers."""
    rng = np.random.default_rng(0)
    factor = rng.integers(1, 1 << 30, _ROWS * _BUCKETS, np.uint64)
    offset = rng.integers(0, 1 << 60, _ROWS * _BUCKETS, np.uint64)
    buckets: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for user, own in enumerate(sets):
        if len(own) >= FEWEST_ANSWERS:
            values = np.array([each % _PRIME for each in own], np.uint64)
            least = (values[:, None] * factor + offset).min(0)  # wraps around: a hash all the same
            for band in range(_BUCKETS):
                rows = least[band * _ROWS : (band + 1) * _ROWS].tolist()
                buckets[(band, *rows)].append(user)
    yield from (each for each in buckets.values() if len(each) > 1)


def _in_common(left: frozenset[int], right: frozenset[int]) -> float:
    return len(left & right) / len(left | right)


def _expected(answers: Answers, own: frozenset[int], users: int) -> float:
    """Return how many of so many honest users would give these answers, but for a fifth of them."""
    chances = [
        _LIKE_MINDED * min(1.0, (answers.asked[answers.pair[each]] + 1.0) / (users + 1.0))
        for each in own
    ]
    needed = sorted(chances, reverse=True)[: math.ceil(_ALIKE * len(chances))]
    ways = math.comb(len(chances), len(needed))
    return users * ways * math.exp(sum(map(math.log, needed)))

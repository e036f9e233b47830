"""Which instruction leads to which: its value is another one's condition, or it adds a thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_applicability.bearing import Tastes, place
from persona_applicability.features import Described
from persona_applicability.parse import Parsed
from persona_applicability.space import Weights
from persona_engine.types import FloatArray

WIDTH = 14
"""How many features `Ties.features` gives."""
# Cosine of unlike values of one kind ("lobster", "tapas"), and from there to the same value.
_FAR, _SPAN = 0.4, 0.4
_ALIKE = 8.0  # how steeply the weight of a like condition falls with its cosine


@dataclass(frozen=True, slots=True, eq=False)
class Leads:
    """Those ``L`` of ``I`` instructions that lead to others, of one sort.

    Args:
        rows: Which they are, ``(L,)``.
        links: How far each leads to each instruction, by three sorts of link, ``(3, L, I)``.
        strongest: The strongest link to each, ``(3, I)``.
        best: Which of the ``L`` has the best link to each, ``(I,)``.
        any: 1 where there is a link at all, ``(I,)``.
    """

    rows: NDArray[np.intp]
    links: FloatArray
    strongest: FloatArray
    best: NDArray[np.intp]
    any: FloatArray

    @classmethod
    def of(cls, rows: NDArray[np.intp], links: FloatArray) -> Leads:
        """Return the leads in these rows of links ``(3, I, I)``."""
        mine = np.ascontiguousarray(links[:, rows])
        if not len(rows):
            none: FloatArray = np.zeros(links.shape[-1], np.float32)
            return cls(rows, mine, np.stack([none] * len(links)), none.astype(np.intp), none)
        overall = mine.max(axis=0)
        any_ = (overall.max(axis=0) > 0).astype(np.float32)
        return cls(rows, mine, mine.max(axis=1), overall.argmax(axis=0), any_)

    def features(self, probability: FloatArray) -> list[FloatArray]:
        """Return seven columns ``(I,)``."""
        if not len(self.rows):
            return [self.any] * (2 * len(self.links) + 1)
        known = probability[self.rows]
        held = (self.links * known[:, None]).max(axis=1)  # (3, I)
        columns = [each for pair in zip(self.strongest, held, strict=True) for each in pair]
        return [*columns, known[self.best] * self.any]


@dataclass(frozen=True, slots=True, eq=False)
class Ties:
    """What ties ``I`` instructions together, whatever is asked.

    Args:
        alike: Weights over those with much the same condition; rows add up to one, ``(I, I)``.
        adding: Those that add something to look at.
        others: The others.
        tastes: All of them as lasting tastes.
    """

    alike: FloatArray
    adding: Leads
    others: Leads
    tastes: Tastes

    def features(self, probability: FloatArray) -> FloatArray:
        """Return ``(I, 14)``: what the second pass sees besides: whether another one leads here.

        Of those that add something to look at, then of the others: for each sort of link the
        strongest, and the strongest times its probability. Then how probable the best link by words
        is, of each.

        Args:
            probability: That each instruction applies, as known so far, ``(I,)``.
        """
        columns = self.adding.features(probability) + self.others.features(probability)
        return np.stack(columns, axis=1).astype(np.float32)


def tie(parsed: Sequence[Parsed], described: Described, weights: Weights) -> Ties:
    """Return what ties instructions together, or needs all of them."""
    condition = described.vectors()[1]
    kernel = np.exp(_ALIKE * (np.clip(condition @ condition.T, -1.0, 1.0) - 1.0))  # (I, I)
    alike = (kernel / kernel.sum(axis=1, keepdims=True)).astype(np.float32)
    adding, others = leads(support(parsed, described), parsed)
    return Ties(alike, adding, others, place(described.taste(), weights))


def leads(links: FloatArray, parsed: Sequence[Parsed]) -> tuple[Leads, Leads]:
    """Return those that add something to look at, and the others, of links ``(3, I, I)``."""
    also = np.array([each.also for each in parsed])
    linked = links.any(axis=(0, 2))  # few lead anywhere
    rows = np.flatnonzero(also & linked), np.flatnonzero(~also & linked)
    return Leads.of(rows[0], links), Leads.of(rows[1], links)


def support(parsed: Sequence[Parsed], described: Described) -> FloatArray:
    """Return ``(3, I, I)``: at ``[:, i, j]``, how far what ``i`` asks for is ``j``'s condition.

    By shared words, by nearness of ``i``'s wish, and by nearness of its value; zero where ``j`` has
    no condition.
    """
    has = np.array([bool(each.condition) for each in parsed])
    words = _shared([each.value_words for each in parsed], [each.deciding_words for each in parsed])
    _, condition, main, value = described.vectors()
    near = [np.clip((each @ condition.T - _FAR) / _SPAN, 0.0, 1.0) for each in (main, value)]
    both = np.stack([words, *near]) * has[None, None, :]
    both[:, np.arange(len(parsed)), np.arange(len(parsed))] = 0.0
    found: FloatArray = both.astype(np.float32)
    return found


def _shared(said: Sequence[frozenset[str]], asked: Sequence[frozenset[str]]) -> FloatArray:
    """Return ``(I, J)``: share of the words of ``asked[j]`` that ``said[i]`` has."""
    vocabulary = {word: at for at, word in enumerate(sorted(frozenset().union(*asked)))}
    if not vocabulary:
        return np.zeros((len(said), len(asked)), np.float32)
    left, right = (_bags(each, vocabulary) for each in (said, asked))
    shares: FloatArray = (left @ right.T) / np.maximum(right.sum(axis=1), 1.0)
    return shares


def _bags(words: Sequence[frozenset[str]], vocabulary: dict[str, int]) -> FloatArray:
    bags = np.zeros((len(words), len(vocabulary)), np.float32)
    for row, each in enumerate(words):
        bags[row, [vocabulary[word] for word in each if word in vocabulary]] = 1.0
    return bags

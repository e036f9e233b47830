"""What the scorer sees of each instruction: its relation to the request and to the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_applicability.parse import Parsed, stems
from persona_applicability.space import Weights
from persona_engine.types import FloatArray

_NEIGHBOURS = 10
COLUMN = {"whole": 0, "condition": 1, "before": 4, "general": 22, "named": 37}
"""Where columns of `instruction_features` stand that reasons are told by."""
_PLACE = re.compile(
    r"\b(?:in|near|around|to|from|at|is|be)\s+(?:the\s+)?(?:city\s+of\s+)?[A-Z][\w.]+"
)
_TIME = re.compile(
    r"\b(?:\d{1,2}(?::\d\d)?\s*(?:am|pm|o['’ ]?clock)|\d{1,2}:\d\d|noon|tonight|morning|evening)\b",
    re.I,
)
_PRICE = re.compile(
    r"\b(?:cheap\w*|inexpensive|expensive|moderate\w*|affordable|budget|luxur\w+|price\w*|"
    r"(?:under|below) \d+)\b|[$€£]",
    re.I,
)
_NUMBER = re.compile(r"\b(?:\d+|one|two|three|four|five|six)\b", re.I)
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w'&.]+(?:\s+(?:[A-Z&][\w'&.]*|of|the|vs))*")
_SURFACE = (_PLACE, _TIME, _PRICE, _NUMBER, _NAME)


@dataclass(frozen=True, slots=True, eq=False)
class Talk:
    """What the user said.

    Args:
        request: Embedding of the last user turn, ``(E,)``.
        earlier: Embeddings of the user turns before it, ``(C, E)``; C may be 0.
        text: All of the user's turns.
    """

    request: FloatArray
    earlier: FloatArray
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Embeddings of ``I`` instructions: whole, condition and rest, each ``(I, E)``."""

    whole: FloatArray
    condition: FloatArray
    main: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """What is known of ``I`` instructions before anything is asked; rows can be kept and stacked.

    Args:
        rows: Projected whole, condition and rest, each ``(I, K)``; then how near the whole is to
            typical requests, how general, and of which sort of slot, ``(I, 3 K + 2 + S)``.
        width: ``K``.
    """

    rows: FloatArray
    width: int

    def vectors(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return projected whole, condition and rest, each ``(I, K)``."""
        k = self.width
        return self.rows[:, :k], self.rows[:, k : 2 * k], self.rows[:, 2 * k : 3 * k]

    def heads(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return hubness ``(I,)``, generality ``(I,)`` and sort of slot ``(I, S)``."""
        at = 3 * self.width
        return self.rows[:, at], self.rows[:, at + 1], self.rows[:, at + 2 :]


def describe(spans: Spans, weights: Weights) -> Described:
    """Return what instructions are like; no row depends on another."""
    vectors = [weights.instructions(each) for each in (spans.whole, spans.condition, spans.main)]
    nearest = np.sort(vectors[0] @ weights.arrays["bank"].T, axis=1)[:, -_NEIGHBOURS:]
    heads = [nearest.mean(axis=1), weights.head("general", spans.whole)]
    sort = weights.head("sort", spans.main)
    rows = np.concatenate([*vectors, np.stack(heads, axis=1), sort], axis=1)
    return Described(rows.astype(np.float32), vectors[0].shape[1])


def instruction_features(
    talk: Talk, parsed: Sequence[Parsed], described: Described, weights: Weights
) -> FloatArray:
    """Return ``(I, F)``: what the first pass sees."""
    whole, condition, main = described.vectors()
    hubness, general, sort = described.heads()
    now = weights.requests(talk.request[None])[0]
    near = np.stack([whole @ now, condition @ now, main @ now], axis=1)  # (I, 3)
    before = _before(talk, whole, condition, weights)
    topic = np.maximum(near[:, 1], before[:, 1])
    columns = [
        near,
        before,
        (near[:, 0] - 0.5 * hubness)[:, None],
        hubness[:, None],
        _among(near[:, 0]),
        _among(topic),
        _smoothed(topic, condition)[:, None],
        _words(talk.text, parsed),
        _flags(parsed),
        general[:, None],
        _slots(talk, sort, weights),
        np.full((len(parsed), 1), np.log1p(len(parsed))),
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


def support(parsed: Sequence[Parsed], described: Described) -> FloatArray:
    """Return ``(2, I, I)``: how far what ``i`` asks for is the condition of ``j``, at ``[:, i, j]``.

    First by shared words, then by nearness of embeddings; zero where ``j`` has no condition.
    """
    has = np.array([bool(each.condition) for each in parsed])
    words = _shared([each.main_words for each in parsed], [each.condition_words for each in parsed])
    _, condition, main = described.vectors()
    near = np.clip(main @ condition.T, 0.0, 1.0)
    both = np.stack([words, near]) * has[None, None, :]
    both[:, np.arange(len(parsed)), np.arange(len(parsed))] = 0.0
    return both.astype(np.float32)


def chain_features(
    probability: FloatArray, links: FloatArray, parsed: Sequence[Parsed]
) -> FloatArray:
    """Return ``(I, 8)``: what the second pass sees besides: whether another one leads here.

    Args:
        probability: That each instruction applies, as known so far, ``(I,)``.
        links: From `support`, ``(2, I, I)``.
        parsed: The instructions' parts.
    """
    also = np.array([each.also for each in parsed])
    columns = []
    for leads in (also, ~also):
        for link in links:
            allowed = link * leads[:, None]
            best = allowed.max(axis=0)
            columns += [best, (allowed * probability[:, None]).max(axis=0)]
    return np.stack(columns, axis=1).astype(np.float32)


def _before(talk: Talk, whole: FloatArray, condition: FloatArray, weights: Weights) -> FloatArray:
    """Return ``(I, 2)``: nearness to the nearest of the earlier turns; zero without any."""
    if not len(talk.earlier):
        return np.zeros((len(whole), 2), np.float32)
    turns = weights.requests(talk.earlier)  # (C, K)
    return np.stack([(whole @ turns.T).max(axis=1), (condition @ turns.T).max(axis=1)], axis=1)


def _among(values: FloatArray) -> FloatArray:
    """Return ``(I, 2)``: how far below the highest, and how many deviations above the mean."""
    spread = values.std() + 0.05
    return np.stack([values - values.max(), (values - values.mean()) / spread], axis=1)


def _smoothed(values: FloatArray, keys: FloatArray) -> FloatArray:
    """Return the mean of each one's value and those with much the same condition, ``(I,)``."""
    kernel = np.exp(8.0 * (np.clip(keys @ keys.T, -1.0, 1.0) - 1.0))  # (I, I)
    return (kernel @ values) / kernel.sum(axis=1)


def _words(text: str, parsed: Sequence[Parsed]) -> FloatArray:
    """Return ``(I, 4)``: shares of the condition's and the rest's words said, and whether any."""
    said = stems(text)
    rows = []
    for each in parsed:
        condition = len(each.condition_words & said)
        main = len(each.main_words & said)
        rows.append(
            (
                condition / max(len(each.condition_words), 1),
                main / max(len(each.main_words), 1),
                min(condition, 2),
                min(main, 2),
            )
        )
    return np.array(rows, np.float32)


def _flags(parsed: Sequence[Parsed]) -> FloatArray:
    """Return ``(I, 6)``: the form of each instruction."""
    return np.array(
        [
            (
                bool(each.condition),
                each.asks,
                each.valued,
                each.asks and each.valued,
                each.also,
                each.person,
            )
            for each in parsed
        ],
        np.float32,
    )


def _slots(talk: Talk, sort: FloatArray, weights: Weights) -> FloatArray:
    """Return ``(I, 3 S + 5)``: sorts of slot wished for, stated, both; and marks of the request."""
    turns = np.concatenate([talk.request[None], talk.earlier])
    stated = weights.head("stated", turns).max(axis=0)  # (S,)
    surface = np.array([bool(each.search(talk.text)) for each in _SURFACE], np.float32)
    count = len(sort)
    return np.concatenate(
        [sort, np.tile(stated, (count, 1)), sort * stated, np.tile(surface, (count, 1))], axis=1
    )


def _shared(said: Sequence[frozenset[str]], asked: Sequence[frozenset[str]]) -> FloatArray:
    """Return ``(I, J)``: share of the words of ``asked[j]`` that ``said[i]`` has."""
    vocabulary = {word: at for at, word in enumerate(sorted(frozenset().union(*asked)))}
    if not vocabulary:
        return np.zeros((len(said), len(asked)), np.float32)
    left, right = (_bags(each, vocabulary) for each in (said, asked))
    return (left @ right.T) / np.maximum(right.sum(axis=1), 1.0)


def _bags(words: Sequence[frozenset[str]], vocabulary: dict[str, int]) -> FloatArray:
    bags = np.zeros((len(words), len(vocabulary)), np.float32)
    for row, each in enumerate(words):
        bags[row, [vocabulary[word] for word in each if word in vocabulary]] = 1.0
    return bags

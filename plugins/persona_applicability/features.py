"""What the scorer sees of each instruction: its relation to the request and to the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from persona_applicability.parse import Parsed, stems
from persona_applicability.space import Weights
from persona_engine.types import FloatArray

_NEIGHBOURS = 10
_FORMS = 6
_HUB = 0.7  # how much being near to every request takes off (Conneau et al. 2018, CSLS)
COLUMN = {
    "whole": 0,
    "condition": 1,
    "before": 5,
    "conditional": 26,
    "general": 32,
    "taste": 33,
    "named": 48,
}
"""Where columns of `instruction_features` stand that reasons are told by."""
_PLACE = re.compile(
    r"\b(?:in|near|around|within|visit\w*|exploring)\s+(?:the\s+)?(?:city\s+of\s+)?[A-Z][\w.]+"
)
_FROM = re.compile(r"\b(?:to|from|at|with|by|see)\s+(?:the\s+)?[A-Z][\w.]+")
_CITY = re.compile(r"\b(?:city|town|area|location|located|neighbou?rhood|region|place is)\b", re.I)
_END = re.compile(r"\b(?:in|near|around) [a-z]{4,}(?:,? [a-z]+)?\W*$")
_WITH = re.compile(r"\b(?:serves?|with|offers?|named|called|specifically|kind|type)\b", re.I)
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
_SURFACE = (_PLACE, _FROM, _CITY, _END, _WITH, _TIME, _PRICE, _NUMBER, _NAME)


@dataclass(frozen=True, slots=True, eq=False)
class Talk:
    """What the user said.

    Args:
        request: Embedding of the last user turn, ``(E,)``.
        earlier: Embeddings of the user turns before it, ``(C, E)``; C may be 0.
        turns: The user's turns, the last one last.
    """

    request: FloatArray
    earlier: FloatArray
    turns: Sequence[str]

    @property
    def text(self) -> str:
        """All of the user's turns."""
        return "\n".join(self.turns)


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Embeddings of ``I`` instructions: whole, condition, rest and its value, each ``(I, E)``."""

    whole: FloatArray
    condition: FloatArray
    main: FloatArray
    value: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """What is known of ``I`` instructions before anything is asked; rows can be kept and stacked.

    Args:
        rows: Whole, condition, rest and value, each ``(I, K)``; whole and condition by topic, each
            ``(I, T)``; whole in the space of tastes, ``(I, B)``; then how near the whole is to
            typical requests, how general, how much a taste, and of which sort of slot, by the rest
            and by the value, ``(I, 3 + 2 S)``; last its form, ``(I, 6)``.
        widths: ``K``, ``T`` and ``B``.
    """

    rows: FloatArray
    widths: tuple[int, int, int]

    def vectors(self) -> list[FloatArray]:
        """Return whole, condition, rest and value, each ``(I, K)``."""
        k = self.widths[0]
        return [self.rows[:, at * k : (at + 1) * k] for at in range(4)]

    def topics(self) -> list[FloatArray]:
        """Return whole and condition by topic, each ``(I, T)``."""
        start, width = 4 * self.widths[0], self.widths[1]
        return [self.rows[:, start + at * width : start + (at + 1) * width] for at in range(2)]

    def taste(self) -> FloatArray:
        """Return the whole in the space of tastes, ``(I, B)``."""
        start = 4 * self.widths[0] + 2 * self.widths[1]
        return self.rows[:, start : start + self.widths[2]]

    def heads(self) -> FloatArray:
        """Return hubness, generality, tastefulness and sorts of slot, ``(I, 3 + 2 S)``."""
        start = 4 * self.widths[0] + 2 * self.widths[1] + self.widths[2]
        return self.rows[:, start:-_FORMS]

    def forms(self) -> FloatArray:
        """Return the form, ``(I, 6)``: what kind of sentence each is."""
        return self.rows[:, -_FORMS:]


def describe(parsed: Sequence[Parsed], spans: Spans, weights: Weights) -> Described:
    """Return what instructions are like; no row depends on another."""
    parts = (spans.whole, spans.condition, spans.main, spans.value)
    vectors = [weights.instructions(each) for each in parts]
    topics = [weights.instructions(each, "topic") for each in parts[:2]]
    nearest = np.sort(vectors[0] @ weights.arrays["bank"].T, axis=1)[:, -_NEIGHBOURS:]
    kinds = [weights.head(name, spans.whole) for name in ("general", "taste")]
    heads = np.stack([nearest.mean(axis=1), *kinds], axis=1)
    wishes = stating(spans.main, [each.main for each in parsed])
    sorts = [weights.head("sort", wishes), weights.head("value", spans.value)]
    taste = weights.instructions(spans.whole, "bearing")
    rows = np.concatenate([*vectors, *topics, taste, heads, *sorts, _forms(parsed)], axis=1)
    return Described(rows.astype(np.float32), weights.widths)


def instruction_features(
    talk: Talk,
    parsed: Sequence[Parsed],
    described: Described,
    alike: FloatArray,
    weights: Weights,
) -> FloatArray:
    """Return ``(I, F)``: what the first pass sees.

    Args:
        talk: What the user said.
        parsed: The parts of ``I`` instructions.
        described: What they are like.
        alike: Weights over those with much the same condition, ``(I, I)``.
        weights: Everything learned.
    """
    whole, condition, main, value = described.vectors()
    heads = described.heads()
    hubness, kinds = heads[:, :1], heads[:, 1:3]
    now = weights.requests(talk.request[None])[0]
    near = np.stack([each @ now for each in (whole, condition, main, value)], axis=1)  # (I, 4)
    before = _before(talk, (whole, condition), weights, "space")
    net = near[:, :1] - _HUB * hubness
    topical = _topical(talk, described, weights)
    topic = topical.max(axis=1)
    columns = [
        near,
        before,
        topical,
        net,
        hubness,
        _among(net[:, 0]),
        _among(np.maximum(near[:, 1], before[:, 1])),
        _among(topic),
        alike @ np.stack([topic, np.maximum(near[:, 1], before[:, 1])], axis=1),
        _words(talk.text, parsed),
        described.forms(),
        kinds,
        _slots(talk, heads[:, 3:], weights),
        np.full((len(parsed), 1), np.log1p(len(parsed))),
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _topical(talk: Talk, described: Described, weights: Weights) -> FloatArray:
    """Return ``(I, 4)``: nearness by topic, now and before."""
    whole, condition = described.topics()
    now = weights.requests(talk.request[None], "topic")[0]
    before = _before(talk, (whole, condition), weights, "topic")
    return np.concatenate([np.stack([whole @ now, condition @ now], axis=1), before], axis=1)


def _before(
    talk: Talk, parts: tuple[FloatArray, FloatArray], weights: Weights, space: str
) -> FloatArray:
    """Return ``(I, 2)``: nearness to the nearest of the earlier turns; zero without any."""
    if not len(talk.earlier):
        return np.zeros((len(parts[0]), 2), np.float32)
    turns = weights.requests(talk.earlier, space)  # (C, K)
    return np.stack([(each @ turns.T).max(axis=1) for each in parts], axis=1)


def _among(values: FloatArray) -> FloatArray:
    """Return ``(I, 2)``: how far below the highest, and how many deviations above the mean."""
    spread = values.std() + 0.05
    return np.stack([values - values.max(), (values - values.mean()) / spread], axis=1)


def _words(text: str, parsed: Sequence[Parsed]) -> FloatArray:
    """Return ``(I, 6)``: shares of an instruction's words that were said, and how many."""
    said = stems(text)
    rows = np.zeros((len(parsed), 6), np.float32)
    for row, each in enumerate(parsed):
        if said.isdisjoint(each.words):
            continue  # most share no word with the request
        condition = len(each.condition_words & said)
        main = len(each.main_words & said)
        deciding = len(each.deciding_words & said)
        rows[row] = (
            condition / max(len(each.condition_words), 1),
            main / max(len(each.main_words), 1),
            min(condition, 2),
            min(main, 2),
            len(each.value_words & said) / max(len(each.value_words), 1),
            deciding / max(len(each.deciding_words), 1),
        )
    return rows


def _forms(parsed: Sequence[Parsed]) -> FloatArray:
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


def stating(embeddings: FloatArray, turns: Sequence[str]) -> FloatArray:
    """Return ``(n, E + 9)``: what tells which sorts of slot turns, or wishes, name."""
    rows = [_surface(turn) for turn in turns]
    return np.concatenate([embeddings, np.array(rows, np.float32)], axis=1).astype(np.float32)


@lru_cache(maxsize=2048)
def _surface(text: str) -> tuple[bool, ...]:
    return tuple(bool(each.search(text)) for each in _SURFACE)


def _slots(talk: Talk, sorts: FloatArray, weights: Weights) -> FloatArray:
    """Return ``(I, 5 S)``: sorts of slot wished for, both wished for and stated, and stated."""
    said = np.concatenate([talk.earlier, talk.request[None]])
    stated = weights.head("stated", stating(said, talk.turns)).max(axis=0)  # (S,)
    both = sorts * np.tile(stated, 2)
    return np.concatenate([sorts, both, np.tile(stated, (len(sorts), 1))], axis=1)

"""The bank of questions: everyday requests with two good replies that differ in one named style."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from persona_engine.errors import ArtefactError
from persona_engine.types import Question, Side

_FIELDS = frozenset({"id", "style", "topic", "prompt", "low", "high"})


@dataclass(frozen=True, slots=True)
class Style:
    """One way in which replies differ.

    Args:
        name: Stable name, as in `Question.style`.
        low: The low pole in words.
        high: The high pole in words.
        low_words: Further words for the low pole.
        high_words: Further words for the high pole.
    """

    name: str
    low: str
    high: str
    low_words: tuple[str, ...] = ()
    high_words: tuple[str, ...] = ()


STYLES: Mapping[str, Style] = MappingProxyType(
    {
        style.name: style
        for style in (
            Style("bottom_line", "reasons first", "bottom line first"),
            Style("directness", "diplomatic", "blunt", ("tactful",), ("direct",)),
            Style("emoji", "no emoji", "emoji", (), ("emojis",)),
            Style("examples", "general principles", "concrete examples", ("abstract",)),
            Style("figurative", "literal", "analogies", (), ("metaphors",)),
            Style("formality", "casual", "formal", ("informal",)),
            Style("hedging", "definite", "cautious", ("confident",)),
            Style("humour", "serious", "humorous", (), ("humor", "funny", "playful")),
            Style("initiative", "only what was asked", "suggests next steps", (), ("proactive",)),
            Style("length", "concise", "detailed", ("brief", "short"), ("long", "thorough")),
            Style("narrative", "plain facts", "told as a story", ("factual",), ("story",)),
            Style("perspective", "what to do", "why it is so", ("practical",)),
            Style("questions", "assumes and answers", "asks back"),
            Style(
                "structure",
                "flowing prose",
                "lists and steps",
                ("prose",),
                ("lists", "bullets", "steps"),
            ),
            Style("technical_depth", "plain words", "technical", ("plain", "simple")),
            Style("warmth", "matter-of-fact", "warm", (), ("friendly",)),
        )
    }
)


@cache
def question_bank() -> tuple[Question, ...]:
    """Return all questions of the bank, ordered by id.

    In each style the high pole is side a in one half of the questions and side b in the other, so
    that whoever always answers a says nothing about any style.

    Raises:
        ArtefactError: A bank file is missing or damaged.

    Examples:
        >>> len(question_bank()), len({question.style for question in question_bank()})
        (128, 16)
    """
    rows = [row for style in STYLES for row in _rows(style)]
    return tuple(_question(row) for row in sorted(rows, key=lambda row: row["id"]))


@cache
def bank_hash() -> str:
    """Return the sha256 over all questions: equal hashes mean equal texts, styles and sides."""
    lines = [
        json.dumps([q.id, q.style, q.prompt, q.a, q.b, q.high], ensure_ascii=True)
        for q in question_bank()
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def replies(question: Question) -> tuple[str, str]:
    """Return the low and the high reply of a question of one style."""
    return (question.b, question.a) if question.high == "a" else (question.a, question.b)


def _rows(style: str) -> list[dict[str, str]]:
    path = resources.files("persona_engine") / "data" / "bank" / f"{style}.jsonl"
    try:
        rows: list[Any] = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise _damaged(str(path), str(error)) from error
    for row in rows:
        if not isinstance(row, dict) or set(row) != _FIELDS or row["style"] != style:
            raise _damaged(str(path), f"{str(row)[:80]!r} is not a question of style {style!r}")
    return rows


def _question(row: Mapping[str, str]) -> Question:
    high = _side_of_high(row["id"], row["style"])
    a, b = (row["high"], row["low"]) if high == "a" else (row["low"], row["high"])
    return Question(row["id"], row["prompt"], a, b, row["style"], high, row["topic"])


def _side_of_high(name: str, style: str) -> Side:
    """Alternate within a style; which side starts depends on the style's hash."""
    start = hashlib.sha256(style.encode()).digest()[0]
    return "a" if (start + int(name.rpartition("-")[2])) % 2 == 0 else "b"


def _damaged(path: str, why: str) -> ArtefactError:
    return ArtefactError(
        f"the question bank's file {path} is damaged: {why}",
        remedy="install persona-engine again",
    )

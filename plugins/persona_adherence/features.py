"""What the scorer reads off an instruction, a request and a reply."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from persona_adherence.directions import Directions
from persona_adherence.replies import Reply, numbers, stems, take_apart
from persona_adherence.wishes import Span, parse
from persona_engine.types import FloatArray

Vectors = Mapping[str, FloatArray]

_SIDE = (
    "there",
    "whole",
    "clause",
    "mean",
    "denied",
    "direction",
    "direction_clause",
    "direction_low",
    "words",
    "denied_words",
)
FEATURES = (
    "one",
    *(f"unwanted_{each}" for each in _SIDE),
    *(f"wanted_{each}" for each in _SIDE),
    "signed_cosine",
    "denies_unwanted",
    "within_limit",
)
_UPPER = re.compile(
    r"\b(?:at most|under|below|less than|no more than|not more than|max(?:imum)?(?: of)?|up to"
    r"|within|fewer than|(?:longer|more|over|above|exceed\w*|costs?) (?:than )?|budget (?:is|of)"
    r"|only have)"
    r"[^\d.;]{0,20}(\d[\d,]*(?:\.\d+)?)",
    re.IGNORECASE,
)
_LOWER = re.compile(
    r"\b(?:at least|no less than|not less than|minimum(?: of)?)[^\d.;]{0,20}(\d[\d,]*(?:\.\d+)?)",
    re.IGNORECASE,
)


def texts_of(instruction: str, request: str, replies: Sequence[str]) -> list[str]:
    """Return every text whose embedding `features` needs."""
    parts = [part for reply in replies for part in take_apart(reply).clauses]
    return [instruction, request, *(span.text for span in parse(instruction)), *replies, *parts]


def features(
    instruction: str,
    request: str,
    replies: Sequence[str],
    *,
    vectors: Vectors,
    directions: Directions,
) -> FloatArray:
    """Return ``(B, F)``: the `FEATURES` of each reply, none of which depends on another reply.

    Args:
        instruction: Its text.
        request: The last user turn; blank when there is none.
        replies: ``B`` texts.
        vectors: Embeddings of `texts_of` these.
        directions: What tells, for a concept, its opposite's replies from its own.
    """
    spans = parse(instruction)
    sides = [
        _Side.of([s for s in spans if s.sign == sign], vectors, directions) for sign in (-1, 1)
    ]
    sign = -1.0 if any(span.sign < 0 for span in spans) else 1.0
    asked = stems(request)
    rows = []
    for text in replies:
        reply = take_apart(text)
        read = [_read(side, reply, request, asked, vectors) for side in sides]
        cosine = float(vectors[instruction] @ (vectors[text] - vectors[request]))
        denies = float(any(reply.denied)) * read[0][0]
        rows.append([1.0, *read[0], *read[1], sign * cosine, denies, _within(instruction, reply)])
    return np.array(rows, np.float32).reshape(len(replies), len(FEATURES))


def relevance_features(instruction: str, request: str, *, vectors: Vectors) -> FloatArray:
    """Return ``(3 + E,)``: what tells whether an instruction bears on a request at all.

    A constant, the cosines to the request of the whole and of its nearest part, and the embedding
    of the instruction, for one about tone bears on everything.
    """
    asked = vectors[request]
    parts = [float(vectors[span.text] @ asked) for span in parse(instruction)]
    whole = vectors[instruction]
    found: FloatArray = np.concatenate([[1.0, float(whole @ asked), max(parts)], whole])
    return found.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """The wanted or unwanted spans: embeddings and directions ``(S, E)``, stems."""

    embeddings: FloatArray
    directions: FloatArray
    stems: tuple[frozenset[str], ...]

    @classmethod
    def of(cls, spans: Sequence[Span], vectors: Vectors, directions: Directions) -> _Side | None:
        if not spans:
            return None
        embeddings = np.stack([vectors[span.text] for span in spans])
        return cls(embeddings, directions(embeddings), tuple(stems(span.text) for span in spans))


def _read(
    side: _Side | None, reply: Reply, request: str, asked: frozenset[str], vectors: Vectors
) -> list[float]:
    if side is None:
        return [0.0] * len(_SIDE)
    clauses = np.stack([vectors[each] for each in reply.clauses])  # (C, E)
    denied = np.asarray(reply.denied)
    base = side.embeddings @ vectors[request]  # (S,)
    near = side.embeddings @ clauses.T - base[:, None]  # (S, C)
    towards = side.directions @ clauses.T - (side.directions @ vectors[request])[:, None]  # (S, C)
    said, refused = near[:, ~denied], near[:, denied]
    leaning = towards[:, ~denied]
    whole = side.embeddings @ vectors[reply.text] - base
    return [
        1.0,
        float(whole.max()),
        float(said.max()) if said.size else 0.0,
        float(near.mean(axis=1).max()),
        float(refused.max()) if refused.size else 0.0,
        float((side.directions @ (vectors[reply.text] - vectors[request])).mean()),
        float(leaning.max(axis=1).mean()) if leaning.size else 0.0,
        float(leaning.min(axis=1).mean()) if leaning.size else 0.0,
        _shared(side.stems, reply.stems, asked),
        _shared(side.stems, reply.denied_stems, asked),
    ]


def _shared(spans: Sequence[frozenset[str]], said: frozenset[str], asked: frozenset[str]) -> float:
    """Return the greatest share of a span's stems, beyond the request's, that the reply has."""
    shares = [len((span - asked) & said) / len(span - asked) for span in spans if span - asked]
    return max(shares, default=0.0)


def _within(instruction: str, reply: Reply) -> float:
    """Return 1 where all numbers keep the instruction's limit, -1 where one breaks it."""
    upper, lower = _UPPER.search(instruction), _LOWER.search(instruction)
    if not reply.numbers or not (upper or lower):
        return 0.0
    most = numbers(upper.group(1))[0] if upper else np.inf
    least = numbers(lower.group(1))[0] if lower else -np.inf
    return 1.0 if all(least <= each <= most for each in reply.numbers) else -1.0

"""Features of the bank's replies, by content or as arrays in the bank's order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Encoder, Progress, no_progress
from persona_engine.onboarding.bank import STYLES, question_bank, replies
from persona_engine.types import AttributePairs, FloatArray, IntArray, Question

_ENCODED_AT_ONCE = 16


@dataclass(frozen=True, slots=True, eq=False)
class BankFeatures:
    """Features of every bank question's two replies, in the order of `question_bank`.

    Args:
        low: ``(Q, D)`` float32 features of the replies at the low pole.
        high: ``(Q, D)`` float32 features of the replies at the high pole.
    """

    low: FloatArray
    high: FloatArray

    def labelled(self, places: IntArray) -> tuple[AttributePairs, ...]:
        """Return the questions at some positions in the bank as labelled pairs of their styles."""
        styles = np.array([question.style for question in question_bank()])[places]
        return tuple(
            AttributePairs(
                str(style),
                self.high[places[styles == style]],
                self.low[places[styles == style]],
                (STYLES[style].low, STYLES[style].high),
            )
            for style in np.unique(styles)
        )

    def by_key(self) -> dict[str, FloatArray]:
        """Return each reply's features by `content_key`."""
        found: dict[str, FloatArray] = {}
        for question, low, high in zip(question_bank(), self.low, self.high, strict=True):
            keys = [content_key(question.prompt, reply) for reply in replies(question)]
            found.update(zip(keys, (low, high), strict=True))
        return found


def content_key(prompt: str, response: str) -> str:
    """Return the key of a response's features, the same as the store's for a one-turn prompt."""
    content = json.dumps([[{"content": prompt, "role": "user"}], response], ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()


def encode_bank(encoder: Encoder, *, progress: Progress = no_progress) -> BankFeatures:
    """Encode both replies of every question once: 256 texts.

    Raises:
        WeightsError: The encoder's model cannot be loaded.
    """
    texts = [
        (question.prompt, reply) for question in question_bank() for reply in replies(question)
    ]
    features = encode_texts(encoder, texts, what="encoding the question bank", progress=progress)
    return BankFeatures(low=features[0::2], high=features[1::2])  # of (2Q, D): low, high, low, …


def encode_texts(
    encoder: Encoder, texts: Sequence[tuple[str, str]], *, what: str, progress: Progress
) -> FloatArray:
    """Return features ``(n, D)`` of prompts and their replies, some at a time.

    Raises:
        WeightsError: The encoder's model cannot be loaded.
    """
    parts = []
    for start in range(0, len(texts), _ENCODED_AT_ONCE):
        some = texts[start : start + _ENCODED_AT_ONCE]
        prompts = [[{"role": "user", "content": prompt}] for prompt, _ in some]
        parts.append(encoder.encode(prompts, [reply for _, reply in some]))  # type: ignore[arg-type]
        progress(what, start + len(some), len(texts))
    return np.concatenate(parts)


def sides(
    questions: Sequence[Question], features: Mapping[str, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Return the features of side a and of side b of each question, both ``(n, D)``.

    Raises:
        InvalidInputError: ``features`` lacks a reply.
    """
    keys = [_keys(question) for question in questions]
    try:
        return (
            np.stack([features[a] for a, _ in keys]),
            np.stack([features[b] for _, b in keys]),
        )
    except KeyError as missing:
        culprit = next(q for q, k in zip(questions, keys, strict=True) if missing.args[0] in k)
        raise InvalidInputError(
            f"the features of a reply to question {culprit.id!r} are not among the {len(features)} "
            "given, expected both",
            remedy="encode both replies of every question in the pool",
        ) from None


@lru_cache(maxsize=4096)
def _keys(question: Question) -> tuple[str, str]:
    return content_key(question.prompt, question.a), content_key(question.prompt, question.b)

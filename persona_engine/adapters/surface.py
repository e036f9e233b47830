"""What is on the surface of a text, as counts: what embeddings of meaning see least of."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from persona_engine.types import FloatArray

_EMOJI = r"[\U0001F300-\U0001FAFF\u2600-\u27BF]"
_FOR_TEN_WORDS = (
    _EMOJI,
    r"\b\w+'(?:s|t|re|ll|ve|d|m)\b",
    r"\d",
    r"\b(?:i|my|me|we|our)\b",
    r"\b(?:you|your)\b",
    r"\b(?:may|might|could|perhaps|probably|maybe|seems?|likely|sometimes|often)\b",
    r"\b(?:like|as if|imagine)\b",
    r"\b(?:for example|such as|e\.g\.|say)\b",
    ",",
    "[:;]",
)
_A_SENTENCE = ("!", r"\?", "\n", r"(?m)^\s*(?:[-*]|\d+[.)])\s")

WIDTH = 3 + len(_FOR_TEN_WORDS) + len(_A_SENTENCE)
"""How many counts there are."""


def surface(texts: Sequence[str]) -> FloatArray:
    """Return length, punctuation, layout and telling words of each text, ``(n, 17)``.

    Lengths are of the text (the logarithm of its words), of a word and of a sentence; the others
    are counts for ten words or for a sentence.

    Examples:
        >>> surface(["Two words!"]).shape, float(surface(["Two words!"])[0, -4])
        ((1, 17), 1.0)
    """
    return np.array([_counts(each) for each in texts], np.float32).reshape(-1, WIDTH)


def _counts(text: str) -> list[float]:
    words, lowered = max(len(text.split()), 1), text.lower()
    sentences = max(len(re.findall(r"[.!?]+", text)), 1)
    return [
        float(np.log1p(words)),
        len(text) / words,
        words / sentences,
        *(10 * len(re.findall(each, lowered)) / words for each in _FOR_TEN_WORDS),
        *(len(re.findall(each, text)) / sentences for each in _A_SENTENCE),
    ]

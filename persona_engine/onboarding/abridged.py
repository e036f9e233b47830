"""The bank's replies cut to their first sentence: shorter, and the same in all else.

The bank's replies have some dozens of words each, and those of different length differ in content
too. A reward learned on them alone misjudges replies that a decoder ends early; with these pairs
it learns what length by itself is worth to a person, down to a handful of words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from persona_engine.interfaces import Encoder, Progress, no_progress
from persona_engine.onboarding.bank import question_bank, replies
from persona_engine.onboarding.bank_features import BankFeatures, encode_texts
from persona_engine.types import FloatArray, IntArray

STYLE = "length"
"""The style in which a whole reply stands above its first sentence."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_FEWEST_WORDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Abridged:
    """Features of replies and of their first sentences, ``A`` pairs.

    Args:
        place: ``(A,)`` position of each reply's question in the bank.
        whole: ``(A, D)`` features of the replies.
        first: ``(A, D)`` features of their first sentences.
    """

    place: IntArray
    whole: FloatArray
    first: FloatArray


def first_sentence(text: str) -> str | None:
    """Return the first sentence of a reply, or None where that is all of it, or next to nothing.

    Examples:
        >>> first_sentence("Boil the water first. Then add salt.")
        'Boil the water first.'
        >>> first_sentence("Boil the water first, then add salt.")
    """
    sentence, *rest = _SENTENCE_END.split(text.strip(), maxsplit=1)
    return sentence if rest and len(sentence.split()) >= _FEWEST_WORDS else None


def encode_abridged(
    encoder: Encoder, bank: BankFeatures, *, progress: Progress = no_progress
) -> Abridged:
    """Encode the first sentence of every reply of the bank that has several.

    Raises:
        WeightsError: The encoder's model cannot be loaded.
    """
    found = [
        (place, side, question.prompt, sentence)
        for place, question in enumerate(question_bank())
        for side, reply in enumerate(replies(question))
        if (sentence := first_sentence(reply)) is not None
    ]
    first = encode_texts(
        encoder,
        [(prompt, sentence) for _, _, prompt, sentence in found],
        what="encoding first sentences",
        progress=progress,
    )
    place = np.array([each[0] for each in found], np.int64)
    side = np.array([each[1] for each in found], np.int64)
    both = np.stack([bank.low, bank.high], axis=1)  # (Q, 2, D)
    return Abridged(place, both[place, side], first)

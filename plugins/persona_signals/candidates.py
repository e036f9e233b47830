"""Which sentences may be wishes at all, and what the classifier reads of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.types import FloatArray
from persona_signals.cues import CUE_NAMES, cues_of
from persona_signals.features import grams, skeleton
from persona_signals.sentences import Sentence
from persona_signals.spelling import normalise

_MAY_BE = re.compile(
    r"\b(?:i|i'm|i'd|i've|i'll|me|my|we|we're|we've|our|us|you|your|no|not|don't|never|always|"
    r"stop|quit|keep|please|"
    r"remember|avoid|use|only|every|each|when|whenever|if|for|by default|assume|answer|answers|"
    r"reply|call|name's|"
    r"everyone|less|more|try|refrain|enough|skip|make|let's|as|being|prefer|going|future|now|"
    r"request|search|look)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may be a wish.

    Args:
        sentence: Where it stands.
        plain: Its words, quotes elided, short forms in full.
        cues: Values of `CUE_NAMES`.
    """

    sentence: Sentence
    plain: str
    cues: dict[str, bool]


def candidate_of(sentence: Sentence) -> Candidate | None:
    """Return the sentence with its cues, or None where it can be no wish."""
    plain = normalise(sentence.frame)
    if len(plain.split()) < 2 or not _MAY_BE.search(plain):
        return None
    cues = cues_of(
        plain,
        first=sentence.first,
        before=sentence.before,
        after=sentence.after,
        heads_list=sentence.heads_list,
    )
    return Candidate(sentence, plain, cues)


def cue_matrix(candidates: Sequence[Candidate]) -> FloatArray:
    """Return the cues as ``(n, cues)``."""
    rows = [[each.cues[name] for name in CUE_NAMES] for each in candidates]
    return np.asarray(rows, np.float32).reshape(-1, len(CUE_NAMES))


def gram_sets(candidates: Sequence[Candidate]) -> list[set[str]]:
    """Return the grams of each skeleton."""
    return [grams(skeleton(each.plain)) for each in candidates]

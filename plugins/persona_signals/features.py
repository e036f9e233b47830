"""Features of a sentence: cues, the skeleton of its function words, and its embedding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from persona_engine.types import FloatArray
from persona_signals.lexicon import words_of

_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+|[?!…:]")
_KEPT = words_of("skeleton")
_LONGEST = 3


def skeleton(text: str) -> list[str]:
    """Return the words of a sentence, those with content as ``_``, numbers as ``0``.

    Examples:
        >>> skeleton("From now on, give me 3 sources.")
        ['^', 'from', 'now', 'on', 'give', 'me', '0', '_', '$']
    """
    kept = ["^"]
    for token in _TOKEN.findall(text.casefold().replace("’", "'")):
        word = "0" if token.isdigit() else token
        if word not in _KEPT and word not in "0?!…:":
            word = "_ing" if word.endswith("ing") and len(word) > 5 else "_"
        if word != "_" or kept[-1] != "_":
            kept.append(word)
    return [*kept, "$"]


def words(text: str) -> list[str]:
    """Return the words of a sentence as they are, folded."""
    return ["^", *_TOKEN.findall(text.casefold().replace("’", "'")), "$"]


def grams(tokens: Sequence[str], longest: int = _LONGEST) -> set[str]:
    """Return the runs of one to ``longest`` tokens."""
    return {
        " ".join(tokens[at : at + length])
        for length in range(1, longest + 1)
        for at in range(len(tokens) - length + 1)
    }


def vocabulary(sentences: Sequence[set[str]], least: int) -> tuple[str, ...]:
    """Return the grams that stand in at least so many sentences, sorted."""
    counts = Counter(gram for each in sentences for gram in each)
    return tuple(sorted(gram for gram, count in counts.items() if count >= least))


def gram_matrix(sentences: Sequence[set[str]], known: Mapping[str, int]) -> FloatArray:
    """Return ``(n, V)`` of which gram stands in which sentence, in rows of unit length."""
    matrix = np.zeros((len(sentences), len(known)), np.float32)
    for row, each in enumerate(sentences):
        at = [known[gram] for gram in each if gram in known]
        if at:
            matrix[row, at] = 1.0 / np.sqrt(len(at))
    return matrix

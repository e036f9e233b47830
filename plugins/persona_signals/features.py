"""Features of a sentence: cues, the skeleton of its function words, and its embedding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from persona_engine.types import FloatArray

_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+|[?!…:]")
_KEPT = frozenset(
    "a about above after again against all also always am an and another any anything are aren't as "
    "ask at avoid back be because been before being below better both but by call can can't could "
    "day default did didn't do does doesn't doing don't down each either else enough ever every "
    "everyone everything few first for forget forward friend from future general get give go going "
    "good had has hasn't hate have haven't he he's help her here him his how i i'd i'll i'm i've if "
    "in instead into is isn't it it's its just keep know last less let let's like list long "
    "look love make may maybe me mean mind more most much must my myself name name's need never "
    "next no nobody none nor not note nothing now of off often ok on once one only or other our "
    "out over own people please prefer quit rather really remember reply right same say says "
    "she she's should since skip so some someone start still stop such suggest sure tell thank "
    "thanks than that that's the their them then there these they they're this those though time "
    "to told too until up us use used usually very want wants was wasn't way we we're were what "
    "what's when whenever where which while who why will with without won't would wouldn't write yes "
    "yet you you're your yours answer answers replies recipe recipes today tonight allergic vegan "
    "vegetarian years old whatever assume recommend talk rule chats".split()
)
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
        if word not in _KEPT and not word in "0?!…:":
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

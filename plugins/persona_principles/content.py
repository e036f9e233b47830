"""Rules about recurring words: proposed on one half of the comparisons, tested on the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from itertools import pairwise

import numpy as np

from persona_engine.types import PairText
from persona_principles import patterns
from persona_principles.candidates import Candidate
from persona_principles.choices import Choices, Doubles, Mask

_LEAST_TOLD = 4  # units of the proposing half in which the word stands in one reply alone
_LEAST_SHARE = 0.75  # of these that must go its way


def content_candidates(choices: Choices, half: Mask, *, most: int) -> list[Candidate]:
    """Return at most ``most`` rules from the units of one half, to be tested on the others.

    Args:
        choices: The decided comparisons.
        half: Units that propose, ``(U,)``.
        most: How many rules.
    """
    proposed: list[tuple[float, str, Doubles, float]] = []
    for term, where in _occurrences(choices.pairs).items():
        votes = choices.votes(where)[half]
        told = int(np.count_nonzero(votes))
        if told < _LEAST_TOLD:
            continue
        strength = choices.strength[half]
        lean = float((strength * votes).sum()) / float(strength[votes != 0].sum())
        if abs(lean) >= 2.0 * _LEAST_SHARE - 1.0:
            proposed.append((-abs(lean) * float(np.sqrt(told)), term, where, np.sign(lean)))
    proposed.sort(key=lambda each: each[:2])
    return [
        Candidate(_rule(term, lean), None, lean * where, ~half)
        for _, term, where, lean in proposed[:most]
    ]


def _rule(term: str, lean: float) -> str:
    return f'Mention "{term}" where it fits.' if lean > 0 else f'Do not mention "{term}".'


def _occurrences(pairs: Sequence[PairText]) -> dict[str, Doubles]:
    """Return the terms that stand in one reply of a pair alone: 1 the preferred, -1 the other."""
    found: dict[str, Doubles] = defaultdict(lambda: np.zeros(len(pairs)))
    for row, pair in enumerate(pairs):
        chosen, rejected = set(_terms(pair.chosen)), set(_terms(pair.rejected))
        for sign, only in ((1, chosen - rejected), (-1, rejected - chosen)):
            for term in only:
                found[term][row] = sign
    return found


def _terms(text: str) -> Iterator[str]:
    """Yield words and pairs of words that say what a text is about."""
    stopwords = _stopwords()
    words = [each.casefold() for each in patterns.WORD.findall(text)]
    for word in words:
        if word not in stopwords and len(word) > 2:
            yield word
    for first, second in pairwise(words):
        if first not in stopwords and second not in stopwords:
            yield f"{first} {second}"


@cache
def _stopwords() -> frozenset[str]:
    path = resources.files("persona_principles") / "data" / "stopwords.txt"
    return frozenset(path.read_text("utf-8").split())

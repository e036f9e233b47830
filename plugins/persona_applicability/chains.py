"""Which instruction leads to which: its value is another one's condition, or it adds a thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_applicability.features import Described
from persona_applicability.parse import Parsed
from persona_engine.types import FloatArray

# Cosine of unlike values of one kind ("lobster", "tapas"), and from there to the same value.
_FAR, _SPAN = 0.4, 0.4


def support(parsed: Sequence[Parsed], described: Described) -> FloatArray:
    """Return ``(3, I, I)``: at ``[:, i, j]``, how far what ``i`` asks for is ``j``'s condition.

    By shared words, by nearness of ``i``'s wish, and by nearness of its value; zero where ``j`` has
    no condition.
    """
    has = np.array([bool(each.condition) for each in parsed])
    words = _shared([each.value_words for each in parsed], [each.deciding_words for each in parsed])
    _, condition, main, value = described.vectors()
    near = [np.clip((each @ condition.T - _FAR) / _SPAN, 0.0, 1.0) for each in (main, value)]
    both = np.stack([words, *near]) * has[None, None, :]
    both[:, np.arange(len(parsed)), np.arange(len(parsed))] = 0.0
    found: FloatArray = both.astype(np.float32)
    return found


def chain_features(
    probability: FloatArray, links: FloatArray, parsed: Sequence[Parsed]
) -> FloatArray:
    """Return ``(I, 14)``: what the second pass sees besides: whether another one leads here.

    Of those that add something to look at, then of the others: for each sort of link the strongest,
    and the strongest times its probability. Then how probable the best link by words is, of each.

    Args:
        probability: That each instruction applies, as known so far, ``(I,)``.
        links: From `support`, ``(3, I, I)``.
        parsed: The instructions' parts.
    """
    also = np.array([each.also for each in parsed])
    linked = links.any(axis=(0, 2))  # few lead anywhere
    columns = []
    for leads in (np.flatnonzero(also & linked), np.flatnonzero(~also & linked)):
        if not len(leads):
            columns += [np.zeros(len(parsed), np.float32)] * (2 * len(links) + 1)
            continue
        known, allowed = probability[leads], links[:, leads]  # (L,), (3, L, I)
        for link in allowed:
            columns += [link.max(axis=0), (link * known[:, None]).max(axis=0)]
        strongest = allowed.max(axis=0)
        columns.append(known[strongest.argmax(axis=0)] * (strongest.max(axis=0) > 0))
    return np.stack(columns, axis=1).astype(np.float32)


def _shared(said: Sequence[frozenset[str]], asked: Sequence[frozenset[str]]) -> FloatArray:
    """Return ``(I, J)``: share of the words of ``asked[j]`` that ``said[i]`` has."""
    vocabulary = {word: at for at, word in enumerate(sorted(frozenset().union(*asked)))}
    if not vocabulary:
        return np.zeros((len(said), len(asked)), np.float32)
    left, right = (_bags(each, vocabulary) for each in (said, asked))
    shares: FloatArray = (left @ right.T) / np.maximum(right.sum(axis=1), 1.0)
    return shares


def _bags(words: Sequence[frozenset[str]], vocabulary: dict[str, int]) -> FloatArray:
    bags = np.zeros((len(words), len(vocabulary)), np.float32)
    for row, each in enumerate(words):
        bags[row, [vocabulary[word] for word in each if word in vocabulary]] = 1.0
    return bags

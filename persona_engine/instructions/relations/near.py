"""Pairs to learn from that are unrelated though their topics or their words are near."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persona_engine.instructions.relations.bank import DATA, Statement
from persona_engine.instructions.relations.pairs import Pair, dress
from persona_engine.instructions.relations.text import read
from persona_engine.types import FloatArray


def draw_near_pairs(
    statements: Sequence[Statement],
    embed: Callable[[Sequence[str]], FloatArray],
    rng: np.random.Generator,
    *,
    count: int = 9000,
    nearest: int = 60,
    folder: Path = DATA,
) -> list[Pair]:
    """Return unrelated pairs whose topics are near: the hard ones.

    Groups that may say or deny the same things (``families.txt``) are not paired, nor are topics so
    near that they may be one.

    Args:
        statements: Of `read_statements`.
        embed: Sentence embeddings of texts.
        rng: Decides which are paired.
        count: How many statements get a partner.
        nearest: Among how many of the nearest it is drawn.
        folder: Where the families are.
    """
    unique = list({(each.group, read(each.text).topic): each for each in statements}.values())
    vectors = embed([read(each.text).topic for each in unique])
    names, index = np.unique([each.group for each in unique], return_inverse=True)
    apart = ~_may_overlap(names.tolist(), folder)
    rows = np.char.startswith(names, "row/")
    pairs = []
    for i in rng.permutation(len(unique))[:count]:
        cosine = vectors @ vectors[i]
        limit = np.where(rows[index] | rows[index[i]], 0.55, 0.8)
        cosine[~apart[index[i]][index] | (cosine > limit)] = -1.0
        likeliest = np.argpartition(-cosine, min(nearest, len(cosine) - 1))[:nearest]
        j = likeliest[rng.integers(len(likeliest))]
        before, after = sorted((unique[i], unique[j]), key=lambda each: each.later)
        if not before.later:
            pairs.append(dress(before, after, 2, rng))
    return pairs


def draw_framed_pairs(
    statements: Sequence[Statement],
    embed: Callable[[Sequence[str]], FloatArray],
    rng: np.random.Generator,
    *,
    count: int = 16_000,
    limit: float = 0.5,
    folder: Path = DATA,
) -> list[Pair]:
    """Return unrelated pairs that begin or end in the same two words: "I'm training …".

    Args:
        statements: Of `read_statements`.
        embed: Sentence embeddings of texts.
        rng: Decides which are paired.
        count: How many pairs are looked at.
        limit: Topics with a higher cosine may be one.
        folder: Where the families are.
    """
    unique = list({(each.group, read(each.text).topic): each for each in statements}.values())
    names, index = np.unique([each.group for each in unique], return_inverse=True)
    overlap = _may_overlap(names.tolist(), folder)
    frames: dict[tuple[str, ...], list[int]] = {}
    for row, each in enumerate(unique):
        words = read(each.text).words
        frames.setdefault(("begins", *words[:2]), []).append(row)
        frames.setdefault(("ends", *words[-2:]), []).append(row)
    shared = [rows for rows in frames.values() if len(rows) > 1]
    weight = np.sqrt([len(rows) for rows in shared])
    drawn = [
        rng.choice(shared[i], 2, replace=False).tolist()
        for i in rng.choice(len(shared), count, p=weight / weight.sum())
    ]
    vectors = embed([read(each.text).topic for each in unique])
    pairs = []
    for i, j in drawn:
        before, after = unique[i], unique[j]
        if not (before.later or overlap[index[i], index[j]] or vectors[i] @ vectors[j] > limit):
            pairs.append(dress(before, after, 2, rng))
    return pairs


def _may_overlap(names: Sequence[str], folder: Path) -> NDArray[np.bool_]:
    """Return ``(G, G)``: whether statements of two groups may say or deny the same thing."""
    lines = (folder / "families.txt").read_text(encoding="utf-8").splitlines()
    overlap = np.eye(len(names), dtype=bool)
    position = {name: i for i, name in enumerate(names)}
    for line in lines:
        family = [position[each] for each in line.split() if each in position]
        overlap[np.ix_(family, family)] = True
    formats = np.array([name.split("/")[0] in _FORMAT_DOMAINS for name in names])
    everywhere = position.get("style/format-use")
    if everywhere is not None:
        overlap[everywhere] |= formats
        overlap[:, everywhere] |= formats
    return overlap


_FORMAT_DOMAINS = ("style", "code", "thing", "math", "units", "music", "mail", "write")

"""Learns what bears on a lasting taste: the space, the pairs that are kept, and the judgement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_applicability.bearing import bearing, bearing_features, place
from persona_applicability.fit import Network, fit_pass, fit_projection
from persona_applicability.kinship import is_related, roots
from persona_applicability.material import Material, Taste
from persona_applicability.phrasebook import Phrasebook
from persona_applicability.space import Weights
from persona_engine.interfaces import Embed
from persona_engine.types import FloatArray

WAYS = 4
_ASKED = 2  # requests that are kept of each taste
_STAY, _STEPS = 60.0, 700
_WIDTH = 192  # principal axes: half the time and file, and as good
_FOLDS = 3
_LISTS = 1500
_AMONG = (3, 50)
_NETWORK = Network(hidden=8, epochs=40)
_UNLIKELY_COUNTS = 0.3  # another taste of the topic may matter as well


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """A taste in several ways, with its embeddings.

    Args:
        taste: What was written.
        ways: Embeddings of the ways in which it is said, ``(W, E)``.
        asked: Embeddings of requests that it matters to, ``(R, E)``.
    """

    taste: Taste
    ways: FloatArray
    asked: FloatArray


def say_tastes(
    material: Material, book: Phrasebook, domains: frozenset[str], embed: Embed
) -> list[Said]:
    """Return every taste whose topic, or all that it is like, is among the domains."""
    return [
        Said(each, embed(book.tastes(each, WAYS)), embed(each.requests[:_ASKED]))
        for each in (*material.tastes, *material.lasting)
        if roots(each.topic) <= domains
    ]


def learn_tastes(said: Sequence[Said], *, seed: int) -> dict[str, FloatArray]:
    """Return the space, the pairs and the networks that judge tastes.

    What the networks are fitted to is as it will be for tastes that nobody wrote down: space and
    pairs of other topics.
    """
    arrays = learn_space(said, seed=seed)
    topics = sorted({each.taste.topic for each in said})
    order = np.random.default_rng(seed + 11).permutation(len(topics)).tolist()
    fold = {topics[at]: n % _FOLDS for n, at in enumerate(order)}
    x, y, weight = [], [], []
    for held_out in range(_FOLDS):
        rest = [each for each in said if fold[each.taste.topic] != held_out]
        mine = [each for each in said if fold[each.taste.topic] == held_out]
        weights = Weights("", learn_space(rest, seed=seed))
        for features, labels, counts in draw_lists(mine, weights, seed=seed + held_out):
            x.append(features)
            y.append(labels)
            weight.append(counts)
    learned = fit_pass(
        np.concatenate(x), np.concatenate(y), np.concatenate(weight), network=_NETWORK, seed=seed
    )
    return arrays | {f"taste_{name}": value for name, value in learned.items()}


def learn_space(said: Sequence[Said], *, seed: int, steps: int = _STEPS) -> dict[str, FloatArray]:
    """Return the space in which requests and tastes compare, and the pairs in it.

    Args:
        said: Tastes, with requests that touch them.
        seed: Decides on batches and dropout.
        steps: Of the fit.
    """
    rows = [
        (way, asked, at)
        for at, each in enumerate(said)
        for way in each.ways
        for asked in each.asked
    ]
    ways, asked = (np.stack([row[side] for row in rows]) for side in (0, 1))
    at = np.array([row[2] for row in rows])
    means = {"bearing_request": asked.mean(axis=0), "bearing_instruction": ways.mean(axis=0)}
    projection = fit_projection(
        asked - means["bearing_request"],
        ways - means["bearing_instruction"],
        at[:, None] == at,
        start=np.eye(ways.shape[1], dtype=np.float32),
        steps=steps,
        stay=_STAY,
        seed=seed,
    )
    known = np.stack([each.ways.mean(axis=0) for each in said])  # (N, E)
    asked = np.stack([each.asked for each in said], axis=1)  # (R, N, E)
    full = Weights("", {"bearing": projection, **means})
    placed = [full.instructions(known, "bearing"), *full.requests(asked, "bearing")]
    _, _, axes = np.linalg.svd(np.concatenate(placed), full_matrices=False)
    arrays = {"bearing": projection @ axes[:_WIDTH].T, **means}
    space = Weights("", arrays)
    pairs = {
        "pairs_taste": space.instructions(known, "bearing"),
        "pairs_asked": space.requests(asked, "bearing"),
    }
    return arrays | pairs


def draw_lists(
    said: Sequence[Said], weights: Weights, *, seed: int
) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """Return features, labels and weights of tastes of several people, of which one may apply."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(_LISTS // _FOLDS):
        own = said[int(rng.integers(len(said)))]
        others = rng.permutation(len(said))[: rng.integers(*_AMONG)]
        some = [each for each in (said[at] for at in others.tolist()) if each is not own]
        listed = [own, *some] if rng.random() < 0.9 or not some else some
        request = own.asked[rng.integers(len(own.asked))]
        vectors = np.stack([each.ways[rng.integers(len(each.ways))] for each in listed])
        tastes = place(weights.instructions(vectors, "bearing"), weights)
        features = bearing_features(bearing(request, tastes, weights))
        labels = np.array([float(each is own) for each in listed], np.float32)
        found.append((features, labels, np.array([_counts(each, own) for each in listed])))
    return found


def recalls(said: Sequence[Said], weights: Weights, *, among: int, seed: int) -> dict[str, float]:
    """Return how often a taste is the first, or of the first five, among so many drawn."""
    rng = np.random.default_rng(seed)
    ranks = []
    for at, each in enumerate(said):
        for request in each.asked:
            others = [other for other in rng.permutation(len(said)).tolist() if other != at]
            listed = [each, *(said[other] for other in others[: among - 1])]
            vectors = np.stack([some.ways[rng.integers(len(some.ways))] for some in listed])
            tastes = place(weights.instructions(vectors, "bearing"), weights)
            values = bearing(request, tastes, weights)
            ranks.append(int((values[1:] >= values[0]).sum()))
    return {f"recall_at_{k}": round(float((np.array(ranks) < k).mean()), 3) for k in (1, 5)}


def _counts(one: Said, own: Said) -> float:
    if one is own:
        return 1.0
    if one.taste.topic == own.taste.topic:
        return _UNLIKELY_COUNTS
    return 0.0 if is_related(one.taste.topic, own.taste.topic) else 1.0

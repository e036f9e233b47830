"""Whether ``mixture`` finds the groups that people are of, and spares the smallest of them.

On planted groups the truth is known. On Polis it is the opinion groups as published, and k-means on
the votes, as wide as the statements, is what the mixture must beat. Agreement is the adjusted Rand
index (Hubert & Arabie 1985): 1 for the same partition, 0 for chance.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from report import Figure, say

from persona_engine.aggregation import aggregate
from persona_engine.evaluation import read_votes
from persona_engine.interfaces import RewardModel
from persona_engine.modelling import k_means
from persona_engine.plugins import discover
from persona_engine.types import Evidence, FloatArray, PreferenceData

WIDTH = 16
DATA = Path(__file__).parents[3] / "shared" / "data"
Labels = NDArray[np.int64]


def adjusted_rand_index(left: Labels, right: Labels) -> float:
    """Return how well two partitions of the same people agree."""
    table = np.zeros((left.max() + 1, right.max() + 1))
    np.add.at(table, (left, right), 1)

    def pairs(counts: NDArray[np.float64]) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, rows, columns = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    expected = rows * columns / pairs(np.array([float(len(left))]))
    return (both - expected) / ((rows + columns) / 2 - expected)


def members(model: RewardModel, data: PreferenceData, seed: int) -> Labels:
    """Return the most probable group of each user of the data that the model is fitted on."""
    population = model.fit(data, rng=np.random.default_rng(seed))
    people = model.infer_many(population, [data.evidence(int(user)) for user in data.users])
    return np.array([each.mean.argmax() for each in people])


def answers(
    heads: FloatArray, group: Labels, pairs: int, rng: np.random.Generator
) -> PreferenceData:
    """Return comparisons of people whose groups have the weights ``(K, D)``."""
    user = np.repeat(np.arange(len(group)), pairs)
    a, b = rng.normal(size=(2, len(user), heads.shape[1])).astype(np.float32)
    logit = ((a - b) * heads[group[user]]).sum(1)
    first = (rng.random(len(user)) < 0.5 + 0.5 * np.tanh(0.5 * logit))[:, None]
    return PreferenceData(np.where(first, a, b), np.where(first, b, a), user, "planted")


def planted_figures(*, seed: int, quick: bool) -> dict[str, Figure]:
    """Return agreement with four planted groups, whose number is not told."""
    rng = np.random.default_rng(seed)
    heads = 2.5 * np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0][:4]
    group = rng.permutation(np.repeat(np.arange(4), 15 if quick else 60))
    data = answers(heads.astype(np.float32), group, 24, rng)
    found = members(discover().create("reward_model", "mixture"), data, seed)
    agreement = adjusted_rand_index(group, found)
    say(f"planted groups: {found.max() + 1} found of 4, agreement {agreement:.3f}")
    return {
        "mixture_planted_ari": Figure(
            agreement, "adjusted Rand index", 0.95, "4 groups, their number unknown", "at least"
        )
    }


def minority_figures(*, seed: int, quick: bool) -> dict[str, Figure]:
    """Return how often a minority of one in ten gets its way, by maxmin and by pooling.

    Its weights have a cosine of -½ with the majority's: sometimes both want the same.
    """
    rng = np.random.default_rng(seed)
    axes = 2.5 * np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0][:2]
    heads = np.stack([axes[0], -0.5 * axes[0] + np.sqrt(0.75) * axes[1]]).astype(np.float32)
    group = rng.permutation((np.arange(100 if quick else 200) % 10 == 0).astype(np.int64))
    data = answers(heads, group, 24, rng)
    a, b = rng.normal(size=(2, 100 if quick else 2000, WIDTH)).astype(np.float32)
    wanted = (a - b) @ heads[1] > 0
    plugins = discover()
    baseline, mixture = (
        plugins.create("reward_model", name) for name in ("bradley_terry", "mixture")
    )
    pooled = baseline.fit(data, rng=np.random.default_rng(seed))
    anyone = baseline.infer(pooled, Evidence.empty(WIDTH))
    flat = float(((baseline.logit(pooled, anyone, a, b).mean > 0) == wanted).mean())
    population = mixture.fit(data, rng=np.random.default_rng(seed))
    chosen = [
        aggregate(
            mixture.group_scores(population, np.stack(pair)),
            rule="maxmin",
            weight=population.arrays["prior"],
        ).order[0]
        for pair in zip(a, b, strict=True)
    ]
    fair = float(((np.array(chosen) == 0) == wanted).mean())
    say(f"minority of one in ten: maxmin {fair:.3f}, pooled {flat:.3f}")
    return {
        "maxmin_minority_gain": Figure(
            fair - flat, "share", 0.20, f"maxmin {fair:.3f}, pooled {flat:.3f}", "at least"
        )
    }


def polis_figures(*, seed: int) -> dict[str, Figure]:
    """Return agreement with the published groups of each conversation in ``PERSONA_DATA``."""
    folder = Path(os.environ.get("PERSONA_DATA", DATA))
    figures: dict[str, Figure] = {}
    for votes in sorted(folder.glob("polis_*.votes.jsonl.gz")):
        stem = votes.name.removesuffix(".votes.jsonl.gz")
        figures |= _conversation(folder, stem, seed)
    if not figures:
        say(f"no Polis conversation in {folder}: set PERSONA_DATA; their agreement is left out")
    return figures


def _conversation(folder: Path, stem: str, seed: int) -> dict[str, Figure]:
    paths = [folder / f"{stem}.{part}.jsonl.gz" for part in ("votes", "items", "groups")]
    dataset = read_votes(paths[0], paths[1], groups=paths[2])
    rows = dataset.draw(np.random.default_rng(seed), support=20, disjoint_items=False)
    named = rows.group >= 0
    user, truth = rows.user[named], rows.group[named]
    people, first = np.unique(user, return_index=True)
    truth = truth[first]
    one_hot = np.eye(len(dataset.items), dtype=np.float32)
    data = PreferenceData(one_hot[rows.chosen[named]], one_hot[rows.rejected[named]], user, stem)
    size = len(np.unique(truth))
    model = discover().create("reward_model", "mixture", components=size)
    mixed = adjusted_rand_index(truth, members(model, data, seed))
    ballots = np.zeros((len(people), len(dataset.items)))
    for place, person in enumerate(people):
        ballots[place, dataset.liked[person]] = 1.0
        ballots[place, dataset.disliked[person]] = -1.0
    plain = adjusted_rand_index(truth, _clusters(ballots, size, seed))
    say(f"{stem}: {len(people)} people, agreement {mixed:.3f}, of k-means on votes {plain:.3f}")
    return {
        f"mixture_{stem}_ari": Figure(
            mixed, "adjusted Rand index", plain, f"k-means on votes {plain:.3f}", "at least"
        ),
        f"k_means_{stem}_ari": Figure(plain, "adjusted Rand index"),
    }


def _clusters(points: NDArray[np.float64], size: int, seed: int) -> Labels:
    """Return the tightest clusters of ten runs of k-means."""
    rng = np.random.default_rng(seed)
    runs = [k_means(points, size, rng=rng) for _ in range(10)]

    def spread(cluster: Labels) -> float:
        parts = [points[cluster == each] for each in np.unique(cluster)]
        return float(sum(np.square(part - part.mean(0)).sum() for part in parts))

    return min(runs, key=spread)


def group_figures(*, seed: int, quick: bool) -> dict[str, Figure]:
    """Return all of these; a quick run leaves out Polis."""
    figures = planted_figures(seed=seed, quick=quick) | minority_figures(seed=seed, quick=quick)
    return figures if quick else figures | polis_figures(seed=seed)

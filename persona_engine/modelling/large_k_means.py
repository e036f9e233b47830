"""K-means of very many points, by FAISS where it is installed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling.differences import Doubles

_ROUNDS = 25
_STARTS = 3
_PER_CENTRE = 10_000  # points drawn for each centre, of more


def k_means_of_many(points: Doubles, size: int, *, weight: Doubles, seed: int) -> Doubles:
    """Return centres ``(size, d)`` of weighted points ``(n, d)``.

    Lloyd's algorithm, the best of three starts; of very many points each centre sees a random ten
    thousand. FAISS (Douze et al. 2024, arXiv:2401.08281) is many times faster; without it numpy
    does the same from seeds of its own.

    Args:
        points: ``(n, d)``, at least ``size`` of them.
        size: Centres.
        weight: ``(n,)``, above 0.
        seed: Decides everything.

    Examples:
        >>> points = np.array([[0.0], [1.0], [10.0], [11.0]])
        >>> sorted(k_means_of_many(points, 2, weight=np.ones(4), seed=0).ravel().tolist())
        [0.5, 10.5]
    """
    most = _PER_CENTRE * size
    if len(points) > most:
        chosen = np.sort(np.random.default_rng(seed).choice(len(points), most, replace=False))
        points, weight = points[chosen], weight[chosen]
    try:
        import faiss
    except ImportError:
        return _by_numpy(points, size, weight, np.random.default_rng(seed))
    runs = faiss.Kmeans(
        points.shape[1],
        size,
        niter=_ROUNDS,
        nredo=_STARTS,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=_PER_CENTRE,
    )
    runs.train(np.ascontiguousarray(points, np.float32), weights=weight.astype(np.float32))
    return np.asarray(runs.centroids, np.float64)


def _by_numpy(points: Doubles, size: int, weight: Doubles, rng: np.random.Generator) -> Doubles:
    runs = [_lloyd(points, size, weight, rng) for _ in range(_STARTS)]
    return min(runs, key=lambda centres: float(weight @ _squared(points, centres).min(1)))


def _lloyd(points: Doubles, size: int, weight: Doubles, rng: np.random.Generator) -> Doubles:
    centres = points[rng.choice(len(points), 1, p=weight / weight.sum())]
    for _ in range(size - 1):  # k-means++ (Arthur & Vassilvitskii 2007)
        far = weight * _squared(points, centres).min(1)
        chance = far / far.sum() if far.sum() > 0.0 else None
        centres = np.concatenate([centres, points[rng.choice(len(points), 1, p=chance)]])
    for _ in range(_ROUNDS):
        cluster = _squared(points, centres).argmin(1)
        mass = np.bincount(cluster, weight, size)
        sums = np.stack([np.bincount(cluster, weight * each, size) for each in points.T], 1)
        moved = np.where(mass[:, None] > 0.0, sums / np.maximum(mass, 1e-300)[:, None], centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _squared(points: Doubles, centres: Doubles) -> NDArray[np.float64]:
    lengths = np.square(points).sum(1)[:, None] + np.square(centres).sum(1)
    squared: NDArray[np.float64] = np.maximum(lengths - 2.0 * points @ centres.T, 0.0)
    return squared

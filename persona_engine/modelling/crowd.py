"""Bulk inference: posteriors of many users over shared responses, dense only where asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import overload

import numpy as np

from persona_engine.modelling.inference import KEPT, padded_counts
from persona_engine.modelling.span import covariances, posteriors_in_span
from persona_engine.types import (
    CrowdEvidence,
    Evidence,
    FloatArray,
    IntArray,
    Population,
    Posterior,
)

_BATCH = 4096  # users solved together
_DENSE = 512  # users whose covariances are made together
_MOST_THREADS = 4
_NO_ITEMS: Mapping[str, FloatArray] = {}

Solve = Callable[[Population, Sequence[Evidence]], list[Posterior]]


@dataclass(frozen=True, eq=False)
class CrowdPosteriors(Sequence[Posterior]):
    """The posteriors of many users, as a sequence that makes each when it is asked for.

    Kept are the means, and the curvature of each comparison, from which the covariance follows:
    ``K + n`` numbers a user instead of ``K²``.

    Args:
        population: What they stand on.
        crowd: Whose they are.
        projected: ``(M, 1+K)`` rewards of the items: shared part, and latent directions.
        mean: ``(U, K)``.
        curvature: ``(N,)`` of each comparison.
        of_items: Further arrays ``(M, …)`` that a posterior's state holds, as ``(n, 2, …)`` of the
            chosen and the rejected responses.
        apart: Posteriors that were solved one by one, by user.
    """

    population: Population
    crowd: CrowdEvidence
    projected: FloatArray
    mean: FloatArray
    curvature: FloatArray
    of_items: Mapping[str, FloatArray] = field(default_factory=dict)
    apart: Mapping[int, Posterior] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.crowd)

    @overload
    def __getitem__(self, user: int) -> Posterior: ...
    @overload
    def __getitem__(self, user: slice) -> Sequence[Posterior]: ...
    def __getitem__(self, user: int | slice) -> Posterior | Sequence[Posterior]:
        if isinstance(user, slice):
            return self._dense(np.arange(len(self))[user])
        if not -len(self) <= user < len(self):
            raise IndexError(user)
        return self._dense(np.array([user % len(self)]))[0]

    def __iter__(self) -> Iterator[Posterior]:
        for start in range(0, len(self), _DENSE):
            yield from self[start : start + _DENSE]

    def _dense(self, users: IntArray) -> list[Posterior]:
        counts = self.crowd.counts[users]
        size = int(min(counts.max(initial=0), KEPT))
        gathered = gather(self.crowd, self.projected, users, size)
        curvature = np.zeros((len(users), size), np.float32)
        curvature[gathered.present] = self.curvature[gathered.places[gathered.present]]
        spread = covariances(gathered.rows, curvature)
        return [
            self.apart[user] if user in self.apart else self._one(user, spread[place])
            for place, user in enumerate(users.tolist())
        ]

    def _one(self, user: int, covariance: FloatArray) -> Posterior:
        crowd, population = self.crowd, self.population
        own = slice(int(crowd.starts[user]), int(crowd.starts[user] + crowd.counts[user]))
        chosen, rejected = crowd.chosen[own], crowd.rejected[own]
        projected = self.projected[chosen] - self.projected[rejected]  # (n, 1+K)
        state = {
            "rows": np.ascontiguousarray(projected[:, 1:]),
            "offset": np.ascontiguousarray(projected[:, 0]),
            "weight": crowd.weight[own],
            "target": crowd.target[own],
        }
        for name, values in self.of_items.items():
            state[name] = np.stack([values[chosen], values[rejected]], 1)
        return Posterior(
            population.reward_model,
            population.version,
            population.fingerprint,
            self.mean[user],
            covariance,
            int(crowd.counts[user]),
            state,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Some users' comparisons, padded to one number ``n``.

    Args:
        places: ``(U, n)`` where in the crowd each is.
        present: ``(U, n)`` whether there is one.
        rows: ``(U, n, K)`` latent differences, zero where there is none.
        offset: ``(U, n)`` shared part of the logits, likewise.
    """

    places: IntArray
    present: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    rows: FloatArray
    offset: FloatArray

    def padded(self, values: FloatArray) -> FloatArray:
        """Return values of comparisons ``(N,)`` of these users, ``(U, n)``, zero elsewhere."""
        result: FloatArray = np.where(self.present, values[self.places], np.float32(0.0))
        return result


def gather(crowd: CrowdEvidence, projected: FloatArray, users: IntArray, size: int) -> Gathered:
    """Return the first ``size`` comparisons of some users."""
    within = np.arange(size)
    present = within < crowd.counts[users][:, None]  # (U, n)
    places = np.where(present, crowd.starts[users][:, None] + within, 0)
    if not len(crowd.chosen):
        places, present = places[:, :0], present[:, :0]
    difference = projected[crowd.chosen[places]] - projected[crowd.rejected[places]]
    difference *= present[..., None]
    return Gathered(places, present, difference[..., 1:], difference[..., 0])


def infer_in_span(
    population: Population,
    crowd: CrowdEvidence,
    *,
    solve: Solve,
    items: FloatArray | None = None,
    of_items: Mapping[str, FloatArray] = _NO_ITEMS,
) -> CrowdPosteriors:
    """Return everybody's posterior, by Newton's method in the span of each one's comparisons.

    Args:
        population: Its ``projection (D, 1+K)`` maps items to rewards.
        crowd: Whose comparisons.
        solve: Infers users one by one: those of more comparisons than twice the rank, for whom the
            span saves nothing.
        items: ``(M, D')`` the items as ``projection`` reads them, where that is not as they are.
        of_items: See `CrowdPosteriors`.
    """
    projection = population.arrays["projection"]
    projected = (crowd.items if items is None else items) @ projection  # (M, 1+K)
    rank = projection.shape[1] - 1
    many = min(KEPT, max(2 * rank, 16))
    alone = np.flatnonzero((crowd.counts > many) | (rank == 0)).tolist()
    solved = solve(population, [crowd.of(user) for user in alone])
    result = CrowdPosteriors(
        population,
        crowd,
        projected,
        np.zeros((len(crowd), rank), np.float32),
        np.zeros(len(crowd.chosen), np.float32),
        of_items,
        dict(zip(alone, solved, strict=True)),
    )
    for user, posterior in result.apart.items():
        result.mean[user] = posterior.mean
    _solve_together(result, many if rank else 0)
    return result


def _solve_together(result: CrowdPosteriors, many: int) -> None:
    """Fill means and curvatures, users of about as many comparisons together, on every core."""
    crowd = result.crowd
    counts = crowd.counts.astype(np.int64)
    sizes = np.where((counts > 0) & (counts <= many), padded_counts(counts), 0)

    def work(job: tuple[int, IntArray]) -> None:
        size, users = job
        found = gather(crowd, result.projected, users, size)
        mean, curvature = posteriors_in_span(
            found.rows, found.offset, found.padded(crowd.weight), found.padded(crowd.target)
        )
        result.mean[users] = mean
        result.curvature[found.places[found.present]] = curvature[found.present]

    jobs = [
        (size, users[start : start + _BATCH])
        for size in np.unique(sizes).tolist()
        if size
        for users in [np.flatnonzero(sizes == size)]
        for start in range(0, len(users), _BATCH)
    ]
    with ThreadPoolExecutor(max(1, min(_MOST_THREADS, os.cpu_count() or 1, len(jobs)))) as pool:
        list(pool.map(work, jobs))

"""Posteriors of users from their comparisons: one, many, or one more comparison."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_engine.modelling.differences import Doubles
from persona_engine.modelling.logistic import residual, sigmoid
from persona_engine.modelling.newton import Prior, Votes, posterior_of_one, posteriors_of_many
from persona_engine.types import Arrays, Evidence, FloatArray, IntArray, Population, Posterior

KEPT = 512
"""Comparisons that a posterior keeps; older ones are folded into a Gaussian."""

_BATCH = 1024  # users solved together
_CACHED = 16  # users whose features are projected together: they stay in the processor's cache


def infer_one(population: Population, evidence: Evidence) -> Posterior:
    """Return one user's posterior."""
    return _solve(population, _projected(population, evidence), len(evidence), start=None)


def update_one(population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
    """Return the posterior with further comparisons, from the previous mode."""
    old = posterior.state
    new = _projected(population, evidence)
    state = dict(old) | {
        key: np.concatenate([old[key], new[key]]) if key in old else new[key] for key in new
    }
    return _solve(population, state, posterior.count + len(evidence), start=posterior.mean)


def infer_batches(population: Population, evidence: Sequence[Evidence]) -> list[Posterior]:
    """Return the posteriors of many users, solved together by padded number of comparisons."""
    rank = population.arrays["projection"].shape[1] - 1
    counts = np.array([len(each.chosen) for each in evidence], np.int64)
    sizes = np.where((counts <= KEPT) & (rank > 0), padded_counts(counts), 0)
    result: dict[int, Posterior] = {}
    for size in np.unique(sizes).tolist():
        places = np.flatnonzero(sizes == size).tolist()
        if size == 0:
            result.update((place, infer_one(population, evidence[place])) for place in places)
            continue
        for begin in range(0, len(places), _BATCH):
            batch = places[begin : begin + _BATCH]
            members = [evidence[place] for place in batch]
            result.update(zip(batch, _infer_batch(population, members, size), strict=True))
    return [result[place] for place in range(len(evidence))]


def padded_counts(counts: IntArray) -> IntArray:
    """Return the batch size for each number of comparisons: at most a quarter more.

    Examples:
        >>> padded_counts(np.array([0, 1, 3, 8, 9, 17])).tolist()
        [0, 1, 3, 8, 10, 20]
    """
    step = 1 << np.maximum(np.floor(np.log2(np.maximum(counts, 1))).astype(np.int64) - 2, 0)
    padded: IntArray = -(-counts // step) * step
    return padded


def _infer_batch(population: Population, members: list[Evidence], size: int) -> list[Posterior]:
    projection = population.arrays["projection"]
    counts = np.array([len(each.chosen) for each in members])
    projected = _projected_many(members, int(counts.sum()), projection)  # (Σn, 1+K)
    weight = np.concatenate([each.weight for each in members])
    target = np.concatenate([each.target for each in members])
    rows, offset = np.ascontiguousarray(projected[:, 1:]), np.ascontiguousarray(projected[:, 0])
    padded = _Padding(counts, size)
    mean, covariance = posteriors_of_many(
        padded(rows).transpose(1, 2, 0).copy(),  # (n, K, U)
        padded(offset).T.copy(),
        padded(weight).T.copy(),
        padded(target).T.copy(),
    )
    name, version, space = population.reward_model, population.version, population.fingerprint
    pieces = (padded.split(each) for each in (rows, offset, weight, target))
    return [
        Posterior(
            name,
            version,
            space,
            centre,
            spread,
            count,
            {"rows": own, "offset": shared, "weight": strength, "target": wanted},
        )
        for centre, spread, count, own, shared, strength, wanted in zip(
            mean, covariance, counts.tolist(), *pieces, strict=True
        )
    ]


class _Padding:
    """Spreads values of many users' comparisons ``(Σn, …)`` to ``(U, size, …)``, zero elsewhere."""

    def __init__(self, counts: IntArray, size: int) -> None:
        self._shape = (len(counts), size)
        self._full = bool((counts == size).all())
        self._ends = np.cumsum(counts)
        self._counts = counts

    def __call__(self, values: FloatArray) -> FloatArray:
        shape = (*self._shape, *values.shape[1:])
        if self._full:
            return values.reshape(shape)
        padded = np.zeros(shape, np.float32)
        owner = np.repeat(np.arange(len(self._counts)), self._counts)
        start = np.repeat(self._ends - self._counts, self._counts)
        padded[owner, np.arange(len(owner)) - start] = values
        return padded

    def split(self, values: FloatArray) -> list[FloatArray]:
        """Return each user's own values, ``(n, …)``."""
        if self._full:
            return list(self(values))
        ends = self._ends.tolist()
        starts = [0, *ends[:-1]]
        return [values[start:end] for start, end in zip(starts, ends, strict=True)]


def _projected_many(members: Sequence[Evidence], total: int, projection: FloatArray) -> FloatArray:
    """Return the projected differences of many users, ``(Σn, 1+K)``, a cacheful at a time."""
    result = np.empty((total, projection.shape[1]), np.float32)
    most = max(len(each) for each in members)
    buffer = np.empty((_CACHED * most, len(projection)), np.float32)
    done = 0
    for begin in range(0, len(members), _CACHED):
        filled = 0
        for each in members[begin : begin + _CACHED]:
            end = filled + len(each.chosen)
            np.subtract(each.chosen, each.rejected, out=buffer[filled:end])
            filled = end
        np.matmul(buffer[:filled], projection, out=result[done : done + filled])
        done += filled
    return result


def _projected(population: Population, evidence: Evidence) -> dict[str, FloatArray]:
    """Return what the posterior needs of the comparisons: ``(n, K)`` instead of ``(n, D)``."""
    projection = population.arrays["projection"]
    projected = (evidence.chosen - evidence.rejected) @ projection
    return {
        "rows": np.ascontiguousarray(projected[:, 1:]),
        "offset": np.ascontiguousarray(projected[:, 0]),
        "weight": np.array(evidence.weight, np.float32),
        "target": np.array(evidence.target, np.float32),
    }


def _solve(
    population: Population, state: Arrays, count: int, *, start: FloatArray | None
) -> Posterior:
    rank = population.arrays["projection"].shape[1] - 1
    if rank == 0:
        kept: dict[str, FloatArray] = {}
        z, covariance = np.zeros(0), np.zeros((0, 0))
    else:
        z, covariance, kept = _laplace(state, rank, start)
    return Posterior(
        reward_model=population.reward_model,
        population=population.version,
        fingerprint=population.fingerprint,
        mean=z.astype(np.float32),
        covariance=covariance.astype(np.float32),
        count=count,
        state=kept,
    )


def _laplace(
    state: Arrays, rank: int, start: FloatArray | None
) -> tuple[Doubles, Doubles, dict[str, FloatArray]]:
    rows = state["rows"].astype(np.float64)
    offset = state["offset"].astype(np.float64)
    weight = state["weight"].astype(np.float64)
    target = state["target"].astype(np.float64)
    prior = Prior(
        precision=np.eye(rank) + state.get("folded_precision", 0.0),
        pull=np.zeros(rank) + state.get("folded_pull", 0.0),
    )
    begin = np.zeros(rank) if start is None else start.astype(np.float64)
    z, covariance = posterior_of_one(Votes(rows, offset, weight, target, prior), begin)
    if len(rows) <= KEPT:
        return z, covariance, dict(state)
    return z, covariance, _folded(state, z)


def _folded(state: Arrays, z: Doubles) -> dict[str, FloatArray]:
    """Keep the latest comparisons; make the older ones the Gaussian that they are at the mode.

    Gradient and curvature at the mode stay the same, so the posterior does too.
    """
    old = slice(0, len(state["rows"]) - KEPT)
    rows = state["rows"][old].astype(np.float64)
    weight = state["weight"][old].astype(np.float64)
    logits = state["offset"][old] + rows @ z
    p = sigmoid(logits)
    precision = (rows.T * (weight * p * (1.0 - p))) @ rows
    pull = rows.T @ (weight * residual(logits, state["target"][old])) + precision @ z
    return {
        "rows": state["rows"][old.stop :],
        "offset": state["offset"][old.stop :],
        "weight": state["weight"][old.stop :],
        "target": state["target"][old.stop :],
        "folded_precision": precision + state.get("folded_precision", 0.0),
        "folded_pull": pull + state.get("folded_pull", 0.0),
    }

"""Posteriors of users from their comparisons: one, many, or one more comparison."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from persona_engine.modelling.differences import Doubles
from persona_engine.modelling.logistic import residual, sigmoid
from persona_engine.modelling.newton import Prior, Votes, posterior_of_one, posteriors_of_many
from persona_engine.types import Arrays, Evidence, FloatArray, Population, Posterior

KEPT = 512
"""Comparisons that a posterior keeps; older ones are folded into a Gaussian."""

_BATCH = 512  # users solved together
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
    groups: dict[int, list[int]] = defaultdict(list)
    rank = population.arrays["projection"].shape[1] - 1
    for place, each in enumerate(evidence):
        alone = rank == 0 or not 0 < len(each) <= KEPT
        groups[0 if alone else _padded(len(each))].append(place)
    result: dict[int, Posterior] = {
        place: infer_one(population, evidence[place]) for place in groups.pop(0, [])
    }
    for size, places in groups.items():
        for begin in range(0, len(places), _BATCH):
            batch = places[begin : begin + _BATCH]
            members = [evidence[place] for place in batch]
            result.update(zip(batch, _infer_batch(population, members, size), strict=True))
    return [result[place] for place in range(len(evidence))]


def _padded(count: int) -> int:
    """Return the batch size for a number of comparisons: at most a quarter more."""
    step = max(1, 1 << (count.bit_length() - 3)) if count >= 4 else 1
    return -(-count // step) * step


def _infer_batch(population: Population, members: list[Evidence], size: int) -> list[Posterior]:
    projection = population.arrays["projection"]
    counts = np.array([len(each) for each in members])
    projected = _projected_many(members, int(counts.sum()), projection)  # (Σn, 1+K)
    strength = np.concatenate([each.weight for each in members])
    wanted = np.concatenate([each.target for each in members])
    ends = np.cumsum(counts)
    padded = np.zeros((len(members), size, projection.shape[1]))
    weight, target = np.zeros((2, len(members), size))
    owner = np.repeat(np.arange(len(members)), counts)
    place = np.arange(len(projected)) - np.repeat(ends - counts, counts)
    padded[owner, place] = projected
    weight[owner, place], target[owner, place] = strength, wanted
    first = np.ascontiguousarray(padded.transpose(1, 2, 0))  # (n, 1+K, U)
    mean, covariance = posteriors_of_many(
        first[:, 1:],
        np.ascontiguousarray(first[:, 0]),
        np.ascontiguousarray(weight.T),
        np.ascontiguousarray(target.T),
    )
    mean, covariance = mean.astype(np.float32), covariance.astype(np.float32)
    name, version, fingerprint = (
        population.reward_model,
        population.version,
        population.fingerprint,
    )
    rows, offset = np.ascontiguousarray(projected[:, 1:]), np.ascontiguousarray(projected[:, 0])
    posteriors = []
    for user, (count, end) in enumerate(zip(counts.tolist(), ends.tolist(), strict=True)):
        mine = slice(end - count, end)
        state = {
            "rows": rows[mine],
            "offset": offset[mine],
            "weight": strength[mine],
            "target": wanted[mine],
        }
        posteriors.append(
            Posterior(name, version, fingerprint, mean[user], covariance[user], count, state)
        )
    return posteriors


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

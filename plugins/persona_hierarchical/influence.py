"""Forgetting one user of a fitted population by a Newton step, from curvature that it carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from persona_engine.modelling import Doubles, leave_out, without_user
from persona_engine.types import Arrays, Evidence, FloatArray, Population
from persona_hierarchical.curvature import Crowd, crowd_of
from persona_hierarchical.hierarchy import Basis, Sample
from persona_hierarchical.lower_bound import Block, blocks_of_users, lower_bound

MOST_PARAMETERS = 1_024
"""Weights whose curvature is kept as a matrix, 4 MB; of the others each is kept by itself."""

_FOR_FORGETTING = frozenset({"axes", "moment", "curvature", "curvature_rest"})
_MOST_ROWS = 32_768  # comparisons that the curvature is measured on


def curvature_arrays(sample: Sample, basis: Basis, ridges: Doubles) -> dict[str, Doubles]:
    """Return what `unlearned` needs of a fit, for the population to carry.

    The principal axes come largest first and are uncorrelated: the curvature of the first
    is kept whole, with all that they have in common, and of the last each by itself.

    Args:
        sample: What was fitted.
        basis: The optimum, not yet scaled.
        ridges: ``(1+K,)`` penalties of ``w₀`` and of each column of ``B``.
    """
    blocks, share = _some(sample.blocks)
    offset, latent = _projected(sample.rows, basis)
    crowds = [crowd_of(each, sample.rows, offset, latent) for each in blocks]
    axes = sample.rows.shape[1]
    kept = slice(0, min(axes, MOST_PARAMETERS // len(ridges)))
    matrix = _matrix(crowds, kept) / share + np.diag(np.tile(ridges, kept.stop))
    values, vectors = np.linalg.eigh(matrix)
    # Turning the latent axes changes nothing: there, and only there, the curvature is zero.
    values = np.maximum(values, 0.5 * float(ridges.min()))
    rest = _diagonal(crowds, slice(kept.stop, axes)) / share + ridges
    return {
        "curvature": (vectors * values) @ vectors.T,
        "curvature_rest": np.maximum(rest, 0.5 * ridges),
    }


def without_curvature(population: Population) -> Population:
    """Return a population that is a sixth of the size, and from which nobody can be taken out."""
    left = {key: array for key, array in population.arrays.items() if key not in _FOR_FORGETTING}
    return replace(population, arrays=left)


def unlearned(population: Population, evidence: Evidence) -> Population | None:
    """Return a population without a user's comparisons, None where it was fitted without curvature.

    Args:
        population: The population.
        evidence: The comparisons, in the features that its rewards are linear in.
    """
    if not len(evidence):
        return replace(population, meta=without_user(population, 0))
    meta = population.meta
    if meta.get("form") == "smooth" or (meta["rank"] == 0 and "spread_inflation" in meta):
        return _without_in_shared(population, evidence)
    return _without_in_tastes(population, evidence) if "curvature" in population.arrays else None


def _without_in_tastes(population: Population, evidence: Evidence) -> Population:
    """Return a population of tastes without a user's comparisons."""
    arrays, meta = population.arrays, population.meta
    axes = arrays["axes"].astype(np.float64)
    factors = np.array([meta["shared"]] + [meta["spread"]] * (arrays["projection"].shape[1] - 1))
    theta: Doubles = np.linalg.lstsq(axes, arrays["projection"] / factors, rcond=None)[
        0
    ]  # (R, 1+K)
    basis = Basis(theta[:, 0], theta[:, 1:])
    theta = (theta + _step(arrays, basis, evidence, axes)) * factors
    counts = without_user(population, len(evidence))
    changed = {
        "projection": axes @ theta,
        "shared_factor": _factor(population, evidence),
        "centre": _centre(arrays["centre"], evidence, int(meta["comparisons"])),
        "embedding": embedding_of(theta, arrays["moment"]),
    }
    singles = {key: np.ascontiguousarray(each, np.float32) for key, each in changed.items()}
    return replace(population, arrays={**arrays, **singles}, meta=counts)


def _without_in_shared(population: Population, evidence: Evidence) -> Population:
    """Return a population that is one shared reward, or how closely users follow it, likewise.

    Args:
        population: The population.
        evidence: The comparisons, in the features that the reward is linear in.
    """
    arrays, meta = population.arrays, population.meta
    shared = float(meta["shared"]) if meta["rank"] or meta.get("form") == "smooth" else 1.0
    projection = arrays["projection"].astype(np.float64)
    rest = leave_out(
        projection[:, 0] / shared,
        arrays["shared_factor"] / shared,
        evidence,
        inflation=float(meta.get("spread_inflation", 1.0)),
    )
    ratio = np.ones(projection.shape[1])
    ratio[1:] = float(meta["spread"]) / shared
    changed = {
        "projection": np.outer(shared * rest.weights, ratio),
        "shared_factor": shared * rest.factor,
    }
    singles = {key: np.ascontiguousarray(each, np.float32) for key, each in changed.items()}
    counts = without_user(population, len(evidence))
    return replace(population, arrays={**arrays, **singles}, meta=counts)


def embedding_of(theta: Doubles, moment: FloatArray | Doubles) -> Doubles:
    """Return a root ``(1+K, 1+K)`` of how weights ``(R, 1+K)`` of the axes move logits together."""
    metric = np.asarray(theta.T @ (moment[:, None] * theta), np.float64)
    metric = metric + 1e-6 * max(1e-6, float(np.trace(metric))) * np.eye(len(metric))
    root: Doubles = np.linalg.cholesky(metric).T.astype(np.float64)
    return root


def _step(arrays: Arrays, basis: Basis, evidence: Evidence, axes: Doubles) -> Doubles:
    """Return the Newton step ``(R, 1+K)`` of the bound of those who remain."""
    rows = ((evidence.chosen - evidence.rejected) @ axes).astype(np.float32)
    one = np.zeros(len(evidence), np.int64)
    blocks = blocks_of_users(one, evidence.weight, evidence.target)
    offset, latent = _projected(rows, basis)
    crowds = [crowd_of(each, rows, offset, latent) for each in blocks]
    bound = lower_bound(blocks, offset, latent)
    slope = -(rows.T @ np.column_stack([bound.pull, bound.turn])).astype(np.float64)  # (R, 1+K)
    rest = arrays["curvature_rest"].astype(np.float64)
    kept = len(slope) - len(rest)
    whole = arrays["curvature"].astype(np.float64)
    others = whole - _matrix(crowds, slice(0, kept))
    first = _solved(others, whole, slope[:kept].ravel()).reshape(kept, -1)
    alone = rest - _diagonal(crowds, slice(kept, len(slope)))
    return np.concatenate([first, slope[kept:] / np.maximum(alone, 0.5 * rest)])


def _solved(others: Doubles, whole: Doubles, slope: Doubles) -> Doubles:
    """Return the step by the others' curvature, or by everybody's where one user decides it all."""
    try:
        np.linalg.cholesky(others)
    except np.linalg.LinAlgError:
        others = whole
    return np.linalg.solve(others, slope).astype(np.float64)


def _factor(population: Population, evidence: Evidence) -> Doubles:
    arrays, meta = population.arrays, population.meta
    shared = float(meta["shared"])
    weights = arrays["projection"][:, 0] / shared
    inflation = float(meta["spread_inflation"]) * shared**2
    return leave_out(weights, arrays["shared_factor"], evidence, inflation=inflation).factor


def _centre(centre: FloatArray, evidence: Evidence, comparisons: int) -> Doubles:
    """Return the mean response of the others."""
    total = 2.0 * comparisons * centre.astype(np.float64)
    mine = evidence.chosen.sum(0, dtype=np.float64) + evidence.rejected.sum(0, dtype=np.float64)
    left = max(1, comparisons - len(evidence))
    rest: Doubles = (total - mine) / (2.0 * left)
    return rest


def _projected(rows: FloatArray, basis: Basis) -> tuple[FloatArray, FloatArray]:
    """Return shared parts ``(N,)`` and latent rows ``(N, K)``."""
    both = np.column_stack([basis.shared, basis.basis]).astype(np.float32)
    projected = rows @ both
    return np.ascontiguousarray(projected[:, 0]), projected[:, 1:]


def _matrix(crowds: Sequence[Crowd], columns: slice) -> Doubles:
    """Return the curvature ``(C (1+K), C (1+K))`` of some axes' weights, axis by axis."""
    size = crowds[0].second.shape[1]
    width = crowds[0].rows[:, columns].shape[1]
    whole = np.zeros((width, size, width, size))
    for a in range(size):
        for c in range(a, size):
            block = sum(each.block(a, c, columns) for each in crowds)
            whole[:, a, :, c] = block
            whole[:, c, :, a] = np.transpose(block)
    return whole.reshape(width * size, width * size)


def _diagonal(crowds: Sequence[Crowd], columns: slice) -> Doubles:
    result: Doubles = np.sum([each.diagonal(columns) for each in crowds], axis=0)
    return result


def _some(blocks: Sequence[Block]) -> tuple[list[Block], float]:
    """Return users evenly from every block, and their share of all comparisons' weight."""
    total = sum(each.rows.size for each in blocks)
    share = min(1.0, _MOST_ROWS / max(1, total))
    some = [_evenly(each, max(1, round(share * len(each.users)))) for each in blocks]
    weight = [sum(float(each.weight.sum()) for each in part) for part in (some, blocks)]
    return some, weight[0] / weight[1]


def _evenly(block: Block, count: int) -> Block:
    at = np.linspace(0, len(block.users) - 1, count).astype(np.int64)
    return Block(block.users[at], block.rows[at], block.weight[at], block.target[at])

"""Posteriors of users from their comparisons, in numpy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from persona_engine.types import Arrays, Evidence, FloatArray, Population, Posterior
from persona_vpl.belief import Belief, believe, cubature, spread_points
from persona_vpl.network import encode_pairs, reward
from persona_vpl.sampling import as_tokens

_TOGETHER = 256  # responses whose rewards at all points are computed together


def posteriors(
    population: Population, tokens: Sequence[Arrays], counts: Sequence[int]
) -> list[Posterior]:
    """Return the posteriors of users from what `tokens_of` gives, equal sizes together."""
    groups: dict[int, list[int]] = defaultdict(list)
    for place, each in enumerate(tokens):
        groups[len(each["weight"])].append(place)
    found: dict[int, Posterior] = {}
    for places in groups.values():
        members = [tokens[place] for place in places]
        belief = beliefs(
            population, {name: np.stack([m[name] for m in members]) for name in members[0]}
        )
        points = latents(population, belief)  # (U, S, k)
        for row, place in enumerate(places):
            found[place] = _posterior(population, points[row], counts[place], dict(tokens[place]))
    return [found[place] for place in range(len(tokens))]


def tokens_of(population: Population, evidence: Sequence[Evidence]) -> list[dict[str, FloatArray]]:
    """Return each user's embedded comparisons: what a posterior keeps of them."""
    arrays = population.arrays
    read = [as_tokens(each.chosen, each.rejected, each.weight, each.target) for each in evidence]
    if not read:
        return []
    chosen, rejected = (
        project(population, np.concatenate([each[side] for each in read])) for side in (0, 1)
    )
    kept = {"pairs": encode_pairs(arrays, chosen, rejected)}
    if population.meta["flows"]:
        kept["swapped"] = encode_pairs(arrays, rejected, chosen)
    ends = np.cumsum([len(each[2]) for each in read])
    return [
        {name: np.array(value[end - len(each[2]) : end]) for name, value in kept.items()}
        | {"weight": np.array(each[2], np.float32)}
        for each, end in zip(read, ends, strict=True)
    ]


def beliefs(population: Population, tokens: Arrays) -> Belief:
    """Return the beliefs after contexts ``(..., n, k)``."""
    return believe(
        population.arrays,
        tokens["pairs"],
        tokens.get("swapped"),
        tokens["weight"],
        aggregation=population.meta["aggregation"],
    )


def latents(population: Population, belief: Belief) -> FloatArray:
    """Return the points ``(..., S, k)`` that stand for a belief."""
    noise = population.arrays["spread"] * cubature(population.meta["latent"])
    shape = (*belief.mean.shape[:-1], *noise.shape)
    found: FloatArray = spread_points(population.arrays, belief, np.broadcast_to(noise, shape))
    return found


def points_of(posterior: Posterior) -> FloatArray:
    """Return the points ``(S, k)`` of a posterior, of which it has mean and covariance."""
    if "points" in posterior.state:
        return np.asarray(posterior.state["points"], np.float32)
    deviation = np.sqrt(np.diag(posterior.covariance))
    points = posterior.mean + deviation * cubature(len(posterior.mean))
    return points.astype(np.float32)


def rewards(population: Population, points: FloatArray, projected: FloatArray) -> FloatArray:
    """Return the rewards ``(B, S)`` of projected responses ``(B, R)`` at each point."""
    shared = projected @ population.arrays["pooled"]
    personal = [
        reward(population.arrays, projected[begin : begin + _TOGETHER, None], points[None])
        for begin in range(0, len(projected), _TOGETHER)
    ]
    found: FloatArray = shared[:, None] + np.concatenate(personal or [np.zeros((0, len(points)))])
    return found.astype(np.float32)


def project(population: Population, responses: FloatArray) -> FloatArray:
    """Return responses ``(B, D)`` in the scaled principal axes, ``(B, R)``."""
    projected: FloatArray = (responses - population.arrays["centre"]) @ population.arrays["axes"]
    return projected


def _posterior(
    population: Population, points: FloatArray, count: int, state: dict[str, FloatArray]
) -> Posterior:
    if population.meta["flows"]:
        state["points"] = points.astype(np.float32)
    return Posterior(
        reward_model=population.reward_model,
        population=population.version,
        fingerprint=population.fingerprint,
        mean=points.mean(0).astype(np.float32),
        covariance=np.diag(points.var(0)).astype(np.float32),
        count=count,
        state=state,
    )

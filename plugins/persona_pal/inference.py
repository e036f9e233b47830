"""Users of a fitted population: posteriors from comparisons, and rewards under them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import (
    Doubles,
    softmax,
)
from persona_engine.modelling.gauss_newton import LogitsOf
from persona_engine.modelling.latent_users import StackedLogits, stored_prior
from persona_engine.types import Evidence, FloatArray, Population, Posterior, Score
from persona_pal.geometry import Places, by_logits, places_of, reward, within_reach
from persona_pal.network import network
from persona_pal.people import Space


def space_of(population: Population) -> Space:
    """Return the population's preference space."""
    scale = float(population.arrays["scale"][0])
    return Space(population.meta["metric"], population.arrays, scale)


def points_of(population: Population, responses: FloatArray) -> NDArray[np.floating]:
    """Return responses ``(B, D)`` in the preference space, ``(B, d)``."""
    arrays = population.arrays
    placed = (responses - arrays["centre"]) @ arrays["axes"]
    return network(arrays, "f", within_reach(placed, float(arrays["reach"][0])))


def prototypes_of(population: Population, prompt: FloatArray | None) -> NDArray[np.floating]:
    """Return the prototypes: ``(K, d)``, or ``(B, K, d)`` for prompts ``(B, P)``.

    Without prompts, or for a population that reads none, they are the mean over its prompts.
    """
    arrays = population.arrays
    if prompt is None or "prompt_scale" not in arrays:
        return arrays["prototypes"]
    heads = network(arrays, "g", (prompt - arrays["prompt_centre"]) * arrays["prompt_scale"])
    return heads.transpose(1, 0, 2)


def state_of(population: Population, evidence: Evidence) -> dict[str, NDArray[Any]]:
    """Return what the posterior needs of comparisons: ``K`` numbers a response."""
    prototypes = prototypes_of(population, evidence.prompt)
    sides = [
        places_of(points_of(population, each), prototypes)
        for each in (evidence.chosen, evidence.rejected)
    ]
    state = {
        "square": np.stack([each.square for each in sides], 1),  # (n, 2)
        "inner": np.stack([each.inner for each in sides], 1),  # (n, 2, K)
        "weight": np.array(evidence.weight, np.float64),
        "target": np.array(evidence.target, np.float64),
    }
    if "prompt_scale" in population.arrays:
        shape = (len(evidence), *sides[0].gram.shape[-2:])
        state["gram"] = np.array(np.broadcast_to(sides[0].gram, shape))
    return state


def logits_of(population: Population) -> StackedLogits:
    """Return what turns stacked states into logits."""
    space = space_of(population)
    p = population.arrays["prototypes"].astype(np.float64)

    def logits(stacked: Mapping[str, Doubles]) -> LogitsOf:
        square, inner, gram = stacked["square"], stacked["inner"], stacked.get("gram", p @ p.T)
        chosen, rejected = (Places(square[:, :, n], inner[:, :, n], gram) for n in (0, 1))
        return space.logits_of(chosen, rejected)

    return logits


def rewards(
    population: Population,
    people: Sequence[Posterior],
    responses: FloatArray,
    prompt: FloatArray | None,
) -> tuple[Doubles, Doubles]:
    """Return rewards ``(U, B)`` and their gradients by ``z``, ``(U, B, k)``."""
    prior, space = stored_prior(population), space_of(population)
    z = _means(people, prior.factor.shape[1])
    w = softmax(prior.latent(z))[:, None]  # (U, 1, K)
    places = places_of(points_of(population, responses), prototypes_of(population, prompt))
    mean, slope = reward(space.metric, space.scale, places, w)
    return mean, by_logits(slope, w) @ prior.factor


def spread(people: Iterable[Posterior], slope: Doubles) -> Doubles:
    """Return the deviations ``(U, B)`` of rewards with gradients ``(U, B, k)``, to first order."""
    covariance = np.stack([each.covariance for each in people]).astype(np.float64)
    std: Doubles = np.sqrt(np.maximum(((slope @ covariance) * slope).sum(-1), 0.0))
    return std


def score_of(mean: Doubles, std: Doubles) -> Score:
    """Return a score in single precision."""
    return Score(mean.astype(np.float32), std.astype(np.float32))


def ideal_point(population: Population, posterior: Posterior) -> FloatArray:
    """Return the user's ideal point ``(d,)``, for the mean prompt."""
    prior = stored_prior(population)
    w = softmax(prior.latent(_means([posterior], prior.factor.shape[1])))
    point: FloatArray = (w @ population.arrays["prototypes"])[0].astype(np.float32)
    return point


def _means(people: Sequence[Posterior], width: int) -> Doubles:
    means = [each.mean for each in people]
    return np.array(means, np.float64).reshape(len(people), width)

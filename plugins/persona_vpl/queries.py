"""Which comparisons to ask next: the information that their answers carry about the latent."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import sigmoid
from persona_engine.types import Arrays, FloatArray, Population, Posterior
from persona_vpl.inference import beliefs, points_of, rewards
from persona_vpl.network import encode_pairs

MOST_TOGETHER = 6
"""Comparisons in one set: each has 2 to that power labelings, and all are looked at."""


def information(
    population: Population, posterior: Posterior, a: FloatArray, b: FloatArray
) -> FloatArray:
    """Return the information ``(M,)`` in nats of sets of comparisons ``(M, Q, R)``, projected.

    For each labeling ``ℓ`` of a set the encoder gives a Gaussian ``N(μ_ℓ, σ²_ℓ)``; with
    ``P(ℓ)`` from the posterior,
    ``½ Σ_k log(Σ_ℓ P(ℓ) σ²_ℓk + Var_ℓ μ_ℓk) - ½ Σ_k Σ_ℓ P(ℓ) log σ²_ℓk``: the entropy of the
    Gaussian with the mixture's moments, less the mean entropy of its parts.
    """
    sets, size = a.shape[:2]
    labelings = np.array(list(product((True, False), repeat=size)))  # (L, Q)
    chance = _chances(population, posterior, a, b, labelings)  # (M, L)
    mean, log_variance = _gaussians(population, posterior, a, b, labelings)  # (M, L, k)
    share = chance[..., None]
    centre = (share * mean).sum(1, keepdims=True)
    within, between = (share * np.exp(log_variance)).sum(1), (share * (mean - centre) ** 2).sum(1)
    gain = 0.5 * np.log(within + between).sum(-1) - 0.5 * (share * log_variance).sum((1, 2))
    found: FloatArray = gain.reshape(sets).astype(np.float32)
    return found


def _chances(
    population: Population,
    posterior: Posterior,
    a: FloatArray,
    b: FloatArray,
    labelings: NDArray[np.bool_],
) -> FloatArray:
    """Return P(labeling) ``(M, L)``, averaged over the posterior's points."""
    points, (sets, size, width) = points_of(posterior), a.shape
    logits = rewards(population, points, a.reshape(-1, width))
    logits = logits - rewards(population, points, b.reshape(-1, width))
    logits = logits.reshape(sets, 1, size, -1)
    signed = np.where(labelings[:, :, None], logits, -logits)  # (M, L, Q, S)
    found: FloatArray = sigmoid(signed).prod(2).mean(-1).astype(np.float32)
    return found


def _gaussians(
    population: Population,
    posterior: Posterior,
    a: FloatArray,
    b: FloatArray,
    labelings: NDArray[np.bool_],
) -> tuple[FloatArray, FloatArray]:
    """Return means and log-variances ``(M, L, k)`` after each labeling, before any flow."""
    forward = encode_pairs(population.arrays, a, b)[:, None]  # (M, 1, Q, k)
    backward = encode_pairs(population.arrays, b, a)[:, None]
    first = labelings[None, :, :, None]
    new = {
        "pairs": np.where(first, forward, backward),
        "swapped": np.where(first, backward, forward),
    }
    tokens = _joined(posterior.state, new)
    belief = beliefs(population, tokens)
    return belief.mean, belief.log_variance


def _joined(old: Arrays, new: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Return the contexts ``(M, L, n + Q, k)`` of old comparisons and each labeling of new."""
    shape = new["pairs"].shape
    joined = {
        name: np.concatenate(
            [np.broadcast_to(old[name], (*shape[:2], *old[name].shape)), new[name]], axis=2
        )
        for name in ("pairs", "swapped")
        if name in old
    }
    ones = np.ones(shape[:3], np.float32)
    before = np.broadcast_to(old["weight"], (*shape[:2], len(old["weight"])))
    return joined | {"weight": np.concatenate([before, ones], axis=2)}

"""Rewards of users: from tastes, and from what they said about the very same responses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_engine.types import (
    Arrays,
    Evidence,
    FloatArray,
    JointScore,
    Population,
    Posterior,
    Score,
)
from persona_hierarchical.recall import in_common, pull_of

_RECALLED = 128  # latest comparisons that are looked through
_CACHED = 16  # users whose features stay in the processor's cache


def keys_of(population: Population, chosen: FloatArray, rejected: FloatArray) -> FloatArray:
    """Return the keys ``(n, 2, 4)`` of both responses of each comparison."""
    axes = population.arrays["key"]
    return np.stack([chosen @ axes, rejected @ axes], 1)


def key_of_one(population: Population, responses: FloatArray) -> FloatArray:
    """Return the keys ``(B, 2, 4)`` of comparisons of responses with nothing."""
    keys = responses @ population.arrays["key"]
    return np.stack([keys, np.full_like(keys, np.nan)], 1)


def remembering_all(
    population: Population, posteriors: Sequence[Posterior], evidence: Sequence[Evidence]
) -> list[Posterior]:
    """Return new posteriors with the keys of their comparisons, a cacheful of users at a time."""
    if "recall" not in population.arrays:
        return list(posteriors)
    result: list[Posterior] = []
    for begin in range(0, len(posteriors), _CACHED):
        members = evidence[begin : begin + _CACHED]
        chosen = np.concatenate([each.chosen for each in members])
        rejected = np.concatenate([each.rejected for each in members])
        keys = keys_of(population, chosen, rejected)
        start = 0
        for posterior, each in zip(posteriors[begin : begin + _CACHED], members, strict=True):
            end = start + len(each.chosen)
            result.append(_with_keys(posterior, keys[start:end]))
            start = end
    return result


def _with_keys(posterior: Posterior, keys: FloatArray) -> Posterior:
    kept = keys[len(keys) - len(posterior.state["rows"]) :]
    return Posterior(
        posterior.reward_model,
        posterior.population,
        posterior.fingerprint,
        posterior.mean,
        posterior.covariance,
        posterior.count,
        {**posterior.state, "key": kept},
    )


def remembering(
    population: Population,
    posterior: Posterior,
    evidence: Evidence,
    earlier: Posterior | None = None,
) -> Posterior:
    """Return the posterior with the keys of the comparisons that it keeps.

    Args:
        population: What it stands on.
        posterior: Of all comparisons.
        evidence: The latest of them.
        earlier: Of those before, or None if there are none.
    """
    if "recall" not in population.arrays:
        return posterior
    keys = keys_of(population, evidence.chosen, evidence.rejected)
    if earlier is not None:
        keys = np.concatenate([earlier.state["key"], keys])
    return _with_keys(posterior, keys)


def tastes(population: Population, posteriors: Sequence[Posterior], features: FloatArray) -> Score:
    """Return rewards ``(U, B)`` of centred or differenced features ``(B, D)``."""
    projected = features @ population.arrays["projection"]  # (B, 1+K)
    latent = projected[:, 1:]
    users, rank = len(posteriors), latent.shape[1]
    mean = np.array([each.mean for each in posteriors], np.float32).reshape(users, rank)
    covariance = np.array([each.covariance for each in posteriors], np.float32)
    turned = latent @ covariance.reshape(users, rank, rank)  # (U, B, K)
    variance = np.maximum(np.einsum("ubk,bk->ub", turned, latent), 0.0)
    if "width" in population.arrays:
        variance *= population.arrays["width"]
    shared = features @ population.arrays["shared_factor"]  # (B, R)
    variance += np.einsum("br,br->b", shared, shared)
    return Score(projected[:, 0] + mean @ latent.T, np.sqrt(variance))


def joint_tastes(population: Population, posterior: Posterior, features: FloatArray) -> JointScore:
    """Return one user's logits of differences ``(n, D)`` together, as `tastes` has each."""
    projected = features @ population.arrays["projection"]  # (n, 1+K)
    latent = projected[:, 1:]
    width = population.arrays["width"] if "width" in population.arrays else np.float32(1.0)
    value, axes = np.linalg.eigh(posterior.covariance.astype(np.float64))
    root = (axes * np.sqrt(np.maximum(value, 0.0) * width)).astype(np.float32)  # (K, K)
    shared = features @ population.arrays["shared_factor"]  # (n, R)
    own = np.sqrt(np.einsum("nr,nr->n", shared, shared))
    return JointScore(projected[:, 0] + latent @ posterior.mean, latent @ root, own)


def recalled(population: Population, posterior: Posterior, keys: FloatArray) -> FloatArray:
    """Return what the user's judgments of the same responses add to logits, ``(B,)``.

    Args:
        population: What the posterior stands on.
        posterior: The user's.
        keys: ``(B, 2, 4)`` keys of both responses; NaN for none.
    """
    state: Arrays = {name: posterior.state[name][-_RECALLED:] for name in _NEEDED}
    common = in_common(keys, state["key"])  # (B, n)
    if not common.any():
        return np.zeros(len(keys), np.float32)
    recall = population.arrays["recall"]
    mean = (state["offset"] + state["rows"] @ posterior.mean).astype(np.float64)
    pull = pull_of(
        recall * in_common(state["key"], state["key"])[None],
        mean[None],
        state["weight"][None].astype(np.float64),
        state["target"][None].astype(np.float64),
    )
    added: FloatArray = (recall * common) @ pull[0].astype(np.float32)
    return added


def with_recall(
    population: Population, posteriors: Sequence[Posterior], score: Score, keys: FloatArray
) -> Score:
    """Return scores ``(U, B)`` with what each user's judgments of the same responses add."""
    added = [recalled(population, each, keys) for each in posteriors]
    return Score(score.mean + np.array(added, np.float32).reshape(score.mean.shape), score.std)


_NEEDED = ("key", "rows", "offset", "weight", "target")

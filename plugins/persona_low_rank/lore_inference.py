"""LoRe's posteriors of users from their comparisons: one, many, or further comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_engine.modelling import (
    Doubles,
    residual,
    sigmoid,
    softmax,
)
from persona_engine.types import Arrays, Evidence, FloatArray, Population, Posterior
from persona_low_rank.simplex import Votes, modes, posteriors

KEPT = 512
"""Comparisons that a posterior keeps; older ones are folded into a Gaussian."""

_BATCH = 512  # users solved together


def infer_one(population: Population, evidence: Evidence) -> Posterior:
    """Return one user's posterior."""
    return _solve(population, [_projected(population, evidence)], [len(evidence)])[0]


def infer_many(population: Population, evidence: Sequence[Evidence]) -> list[Posterior]:
    """Return the posteriors of users with the same number of comparisons, in batches."""
    result: list[Posterior] = []
    for begin in range(0, len(evidence), _BATCH):
        batch = evidence[begin : begin + _BATCH]
        states = [_projected(population, each) for each in batch]
        result += _solve(population, states, [len(each) for each in batch])
    return result


def update_one(population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
    """Return the posterior with further comparisons."""
    old, new = posterior.state, _projected(population, evidence)
    state = dict(old) | {key: np.concatenate([old[key], new[key]]) for key in new}
    return _solve(population, [state], [posterior.count + len(evidence)])[0]


def _projected(population: Population, evidence: Evidence) -> dict[str, FloatArray]:
    """Return what the posterior needs of the comparisons: ``(n, K)`` instead of ``(n, D)``."""
    return {
        "rows": (evidence.chosen - evidence.rejected) @ population.arrays["basis"],
        "weight": np.array(evidence.weight, np.float32),
        "target": np.array(evidence.target, np.float32),
    }


def _solve(
    population: Population, states: Sequence[Arrays], counts: Sequence[int]
) -> list[Posterior]:
    """Return the posteriors of users who have equally many rows."""
    prior_mean = population.arrays["prior_mean"].astype(np.float64)
    prior = population.arrays["prior_precision"].astype(np.float64)
    nothing = np.zeros_like(prior)
    votes = Votes(
        rows=_stacked(states, "rows"),
        weight=_stacked(states, "weight"),
        target=_stacked(states, "target"),
        precision=np.array([prior + each.get("folded_precision", 0.0) for each in states]),
        pull=np.array([prior @ prior_mean + each.get("folded_pull", 0.0) for each in states]),
        curvature=np.array([nothing + each.get("folded_curvature", 0.0) for each in states]),
    )
    name = (population.reward_model, population.version, population.fingerprint)
    root = population.arrays["weights_root"].astype(np.float64)
    mean, covariance = posteriors(votes, prior_mean, root)
    result = []
    for user, state in enumerate(states):
        kept = state
        if len(state["rows"]) > KEPT:
            kept = _folded(state, votes.take(np.array([user])), prior_mean, mean[user])
        belief = mean[user].astype(np.float32), covariance[user].astype(np.float32)
        result.append(Posterior(*name, *belief, counts[user], kept))
    return result


def _stacked(states: Sequence[Arrays], key: str) -> Doubles:
    return np.stack([each[key] for each in states]).astype(np.float64)


def _folded(state: Arrays, votes: Votes, prior_mean: Doubles, weights: Doubles) -> Arrays:
    """Keep the latest comparisons; make the older ones the Gaussian that they are at the mode.

    Gradient and curvature there stay the same, so the posterior does too.

    Args:
        state: What the user's posterior holds.
        votes: The same comparisons, of this user alone.
        prior_mean: ``(K,)`` of the logits.
        weights: ``(K,)`` the user's expected weights.
    """
    old = slice(0, len(state["rows"]) - KEPT)
    mode = modes(votes, prior_mean[None])[0][0]
    rows, weight = votes.rows[0, old], votes.weight[0, old]
    shares = softmax(mode)
    logits = rows @ shares
    turned = shares * (rows - logits[:, None])
    precision = (turned.T * _bend(logits, weight)) @ turned
    pull = turned.T @ (weight * residual(logits, votes.target[0, old])) + precision @ mode
    curvature = (rows.T * _bend(rows @ weights, weight)) @ rows
    return {key: state[key][old.stop :] for key in ("rows", "weight", "target")} | {
        "folded_precision": precision + state.get("folded_precision", 0.0),
        "folded_pull": pull + state.get("folded_pull", 0.0),
        "folded_curvature": curvature + state.get("folded_curvature", 0.0),
    }


def _bend(logits: Doubles, weight: Doubles) -> Doubles:
    p = sigmoid(logits)
    bend: Doubles = weight * p * (1.0 - p)
    return bend

"""Users whose logits are a smooth function of a few latent variables: posteriors, updates, tests.

A plugin says what it keeps of each comparison (its state) and how latent variables turn that into
logits; the rest is here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling.differences import Doubles
from persona_engine.modelling.gauss_newton import (
    COARSE,
    Answers,
    LatentPrior,
    LogitsOf,
    fold,
    laplace_posteriors,
)
from persona_engine.modelling.logistic import pair_loss
from persona_engine.types import Population, Posterior

KEPT = 512
"""Comparisons that a posterior keeps; older ones are folded into a Gaussian."""

State = Mapping[str, NDArray[Any]]
"""Arrays of ``n`` rows, one a comparison, ``weight`` and ``target`` among them."""

StackedLogits = Callable[[Mapping[str, Doubles]], LogitsOf]
"""Returns the logits of states that are stacked, ``(U, n, …)`` each."""

_SHOTS = (0, 1, 4, 16)
_QUERIES = 24
_FOLDED = ("folded_precision", "folded_pull")


def joined(old: State, new: State) -> dict[str, NDArray[Any]]:
    """Return the state of old and new comparisons together."""
    return dict(old) | {
        key: np.concatenate([old[key], new[key]]) if key in old else new[key] for key in new
    }


def posteriors_of_states(
    population: Population,
    prior: LatentPrior,
    logits_of: StackedLogits,
    states: Sequence[State],
    counts: Sequence[int],
) -> list[Posterior]:
    """Return the posteriors of users, those with equally many comparisons together.

    Args:
        population: What they stand on.
        prior: What is believed without comparisons.
        logits_of: How the plugin's states become logits.
        states: What is kept of each user's comparisons; older ones than the last `KEPT` are
            replaced by the Gaussian that they are at the mode.
        counts: Comparisons that each user has made in all.
    """
    groups: dict[tuple[int, bool], list[int]] = defaultdict(list)
    for place, state in enumerate(states):
        groups[len(state["weight"]), "folded_pull" in state].append(place)
    stamp = (population.reward_model, population.version, population.fingerprint)
    result: dict[int, Posterior] = {}
    for places in groups.values():
        members = [states[place] for place in places]
        z, covariance = laplace_posteriors(_answers(logits_of, members), prior)
        for row, place in enumerate(places):
            mean, spread = z[row].astype(np.float32), covariance[row].astype(np.float32)
            kept = _folded(prior, logits_of, members[row], z[row : row + 1])
            result[place] = Posterior(*stamp, mean, spread, counts[place], kept)
    return [result[place] for place in range(len(states))]


def few_shot_losses(answers: Callable[[int, int], Answers], prior: LatentPrior) -> Doubles:
    """Return each user's mean loss of later comparisons given the first 0, 1, 4 and 16, ``(U,)``.

    Probabilities are integrated over the posterior. A number of shots that leaves a user nothing
    to predict is left out.

    Args:
        answers: Returns comparisons ``begin … end`` of every user.
        prior: What is believed of them without answers.
    """
    losses = counted = np.zeros(0)
    for shots in _SHOTS:
        z, covariance = laplace_posteriors(answers(0, shots), prior, tolerance=COARSE)
        later = answers(shots, shots + _QUERIES)
        logits, jacobian = later.logits_of(prior.latent(z))
        turned = jacobian @ prior.factor
        variance = ((turned @ covariance) * turned).sum(-1)
        damped = logits / np.sqrt(1.0 + np.pi / 8.0 * variance)
        seen = later.weight.sum(1)
        loss = (later.weight * pair_loss(damped, later.target)).sum(1) / np.maximum(seen, 1e-12)
        losses = losses + loss if losses.size else loss
        counted = counted + (seen > 0) if counted.size else 1.0 * (seen > 0)
    result: Doubles = losses / np.maximum(counted, 1.0)
    return result


def _answers(logits_of: StackedLogits, states: Sequence[State]) -> Answers:
    stacked = {
        name: np.stack([np.asarray(state[name], np.float64) for state in states])
        for name in states[0]
    }
    return Answers(
        logits_of(stacked),
        stacked["weight"],
        stacked["target"],
        *(stacked.get(name) for name in _FOLDED),
    )


def _folded(prior: LatentPrior, logits_of: StackedLogits, state: State, z: Doubles) -> State:
    """Keep the latest comparisons; make the older ones the Gaussian that they are at the mode."""
    extra = len(state["weight"]) - KEPT
    if extra <= 0:
        return state
    rows = {key: value for key, value in state.items() if key not in _FOLDED}
    old = _answers(logits_of, [{key: value[:extra] for key, value in rows.items()}])
    found = fold(old, prior, z)
    return {key: value[extra:] for key, value in rows.items()} | {
        key: value[0] + state.get(key, 0.0) for key, value in zip(_FOLDED, found, strict=True)
    }

"""Users whose logits are a smooth function of a few latent variables: posteriors, updates, tests.

A plugin says what it keeps of each comparison (its state) and how latent variables turn that into
logits; the rest is here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.interfaces import RewardModel
from persona_engine.modelling.checks import require_fit, require_width
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
from persona_engine.types import Evidence, FloatArray, Population, Posterior

KEPT = 512
"""Comparisons that a posterior keeps; older ones are folded into a Gaussian."""

State = Mapping[str, NDArray[Any]]
"""Arrays of ``n`` rows, one a comparison, ``weight`` and ``target`` among them."""

StackedLogits = Callable[[Mapping[str, Doubles]], LogitsOf]
"""Returns the logits of states that are stacked, ``(U, n, …)`` each."""

_SHOTS = (0, 1, 4, 16)
_QUERIES = 24
_FOLDED = ("folded_precision", "folded_pull")


class LatentUsersModel(RewardModel):
    """Logits that depend smoothly on a user's latent variables: all of inference but two questions.

    A plugin says what it keeps of comparisons (`state_of`) and how such states become logits
    (`logits_of`); a user is then the Gaussian of Laplace's method in the whitened variables of
    `LatentPrior`. Populations hold ``axes (D, R)``, whose rows are the features, and the prior as
    ``prior_mean (K,)`` and ``prior_factor (K, J)``.

    When to use it: where logits are not linear in what is latent. Inherit from `LinearLatentModel`
    where they are: it is several times faster.
    """

    @abstractmethod
    def state_of(self, population: Population, evidence: Evidence) -> State:
        """Return what is kept of comparisons, one row each."""

    @abstractmethod
    def logits_of(self, population: Population) -> StackedLogits:
        """Return what turns stacked states into logits."""

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        """Return the Gaussian over the user's latent variables after ``n >= 0`` comparisons.

        Raises:
            InvalidInputError: The features have another width than the population's.
            FingerprintMismatchError: Another reward model fitted the population.
        """
        return self.infer_many(population, [evidence])[0]

    def infer_many(self, population: Population, evidence: Sequence[Evidence]) -> list[Posterior]:
        """Return the posterior of many users, those with equally many comparisons together."""
        for each in evidence:
            self.check(population, each.chosen)
        states = [self.state_of(population, each) for each in evidence]
        return self._posteriors(population, states, [len(each) for each in evidence])

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        """Return the posterior after further comparisons, as `infer` on all of them gives it.

        Exact up to 512 comparisons; of more, the oldest are kept as the Gaussian that they made of
        the posterior when they were folded.
        """
        posterior.require(population)
        self.check(population, evidence.chosen)
        state = joined(posterior.state, self.state_of(population, evidence))
        return self._posteriors(population, [state], [posterior.count + len(evidence)])[0]

    def check(self, population: Population, features: FloatArray) -> None:
        """Raise unless the population is this model's and the features fit it."""
        require_fit(population, self.name)
        require_width(features, len(population.arrays["axes"]))

    def _posteriors(
        self, population: Population, states: Sequence[State], counts: Sequence[int]
    ) -> list[Posterior]:
        prior, logits_of = stored_prior(population), self.logits_of(population)
        return posteriors_of_states(population, prior, logits_of, states, counts)


def stored_prior(population: Population) -> LatentPrior:
    """Return what a population says of a user who has not answered anything."""
    arrays = population.arrays
    return LatentPrior(
        arrays["prior_mean"].astype(np.float64), arrays["prior_factor"].astype(np.float64)
    )


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

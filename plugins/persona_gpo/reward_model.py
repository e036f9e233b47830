"""The reward model ``gpo``: a transformer that reads a user's comparisons as context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, RewardModel, no_progress
from persona_engine.modelling import (
    Schedule,
    require_fit,
    require_share,
    require_width,
    sigmoid,
)
from persona_engine.types import (
    Context,
    Evidence,
    FloatArray,
    Population,
    Posterior,
    PreferenceData,
    Score,
)
from persona_gpo.episodes import labelled, unlabelled
from persona_gpo.fitting import Architecture, fit_population
from persona_gpo.network import Parameters, gate, predict, read_context

_KEPT = 512  # comparisons that a posterior keeps, the newest
_PREFIX = "network."


class GroupPreferenceOptimisation(RewardModel):
    """A neural process over comparisons: the network reads them, nothing is trained for a new user.

    ``r_u(y) = w₀·φ(y) + n/(1 + n) f(x(y), 0 | {(x(c_i), 1), (x(r_i), -1)})``, ``P(a ≻ b) =
    E[σ(r_u(a) - r_u(b))]``. ``f`` is a transformer whose context tokens are the coordinates and
    labels of the responses that the user chose and did not choose; a target token, of label 0,
    attends to the context and to itself only, so that rewards do not depend on what else is asked
    nor on the order of the answers. Zhao, Dang & Grover (2023), "Group preference optimization:
    few-shot alignment of large language models", arXiv:2310.11523, on transformer neural processes
    (Nguyen & Grover 2022, arXiv:2207.04179). Here the pooled reward ``w₀·φ`` is an offset, and the
    spread is a Gaussian's, ``(s_a - s_b)ᵀ (I + Σ p(1-p) s_i s_iᵀ)⁻¹ (s_a - s_b)``, ``s`` a learned
    map and ``s_i`` its difference over a comparison: it is nil between equal responses and never
    grows with answers.

    When to use it: with some hundreds of users or more, where responses recur (people judging the
    same items) and tastes do not act linearly. With fewer users use ``hierarchical``, which needs
    less data and adapts faster.

    Args:
        width: Width of the network.
        layers: Transformer layers.
        heads: Attention heads; they divide the width.
        directions: Coordinates of a token: directions in which users differ.
        steps: Most steps of training.
        keep: Share of the differences' second moment that the principal axes must hold.

    Raises:
        InvalidInputError: A setting is out of range.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> user = np.repeat(np.arange(60), 10)
        >>> a, b = rng.normal(size=(2, 600, 3)).astype(np.float32)
        >>> likes = np.where(user % 2 == 0, 3.0, -3.0)  # half like the first feature, half dislike
        >>> first = (likes * (a - b)[:, 0] > 0)[:, None]
        >>> data = PreferenceData(np.where(first, a, b), np.where(first, b, a), user, "example")
        >>> model = GroupPreferenceOptimisation(steps=150)
        >>> population = model.fit(data, rng=rng)
        >>> high, low = np.float32([[1, 0, 0]]), np.float32([[-1, 0, 0]])
        >>> fan = model.infer(population, Evidence(high.repeat(3, 0), low.repeat(3, 0)))
        >>> bool(model.logit(population, fan, 2 * high, low).probability()[0] > 0.7)
        True
    """

    name = "gpo"

    def __init__(
        self,
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        directions: int = 16,
        steps: int = 450,
        keep: float = 0.999,
    ) -> None:
        if heads < 1 or width < heads or width % heads:
            raise InvalidInputError(f"width is {width}, expected a multiple of heads, {heads}")
        if layers < 1 or not 1 <= directions <= width // 2 - 2:
            raise InvalidInputError(
                f"layers is {layers} and directions {directions}, expected at least 1, and at most "
                f"{width // 2 - 2} directions for a width of {width}"
            )
        require_share(keep=keep)
        self._architecture = Architecture(width, layers, heads, directions)
        self._schedule = Schedule(
            steps,
            1e-3,
            decay=1e-3,
            batch=48,
            every=max(10, steps // 24),
            patience=8,
            rates={"pooled": 10.0},
        )
        self._keep = keep

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        """Train the network on random splits of users' comparisons.

        Held-out users say when to stop. Where it predicts them no better than the pooled reward,
        the population is that reward.

        Args:
            data: Comparisons ``(N, D)`` of ``U`` users.
            rng: Draws folds, weights, batches and splits.
            progress: Told the step.

        Raises:
            InvalidInputError: No comparison has weight, or no two responses differ.
        """
        return fit_population(
            data,
            name=self.name,
            architecture=self._architecture,
            schedule=self._schedule,
            keep=self._keep,
            rng=rng,
            progress=progress,
        )

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        """Return the context, and what it says of the reference pairs; order is no matter.

        The newest 512 comparisons are read.

        Raises:
            InvalidInputError: The features have another width than the population's.
            FingerprintMismatchError: Another reward model fitted the population.
        """
        _check(population, evidence.chosen)
        return _posterior(population, _read(population, evidence), len(evidence))

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        """Return the posterior with further comparisons in its context."""
        posterior.require(population)
        _check(population, evidence.chosen)
        new, old = _read(population, evidence), posterior.state
        state = {name: np.concatenate([old[name], new[name]]) for name in new}
        return _posterior(population, state, posterior.count + len(evidence))

    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,  # features are all it reads
    ) -> Score:
        """Return the rewards of responses ``(B, D)`` for ``U`` users, ``(U, B)``.

        The spread is that of the difference to the population's mean response.
        """
        for posterior in posteriors:
            posterior.require(population)
        _check(population, responses)
        centred = responses - population.arrays["centre"]
        tokens = centred @ population.arrays["projection"]
        shared = np.square(centred @ population.arrays["shared_factor"]).sum(1)
        shape = (len(posteriors), len(responses))
        mean, std = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for row, posterior in enumerate(posteriors):
            mean[row] = _rewards(population, posterior.state, tokens)
            std[row] = np.sqrt(_variance(population, posterior.state, tokens) + shared)
        return Score(mean, std)

    def logit(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,  # features are all it reads
    ) -> Score:
        """Return the difference of the two rewards ``(B,)`` and its spread."""
        posterior.require(population)
        _check(population, a)
        _check(population, b)
        projection, centre = population.arrays["projection"], population.arrays["centre"]
        sides = np.concatenate([a - centre, b - centre]) @ projection
        reward = _rewards(population, posterior.state, sides)
        difference = sides[: len(a)] - sides[len(a) :]
        shared = np.square((a - b) @ population.arrays["shared_factor"]).sum(1)
        variance = _variance(population, posterior.state, difference) + shared
        mean: FloatArray = reward[: len(a)] - reward[len(a) :]
        return Score(mean, np.sqrt(variance))

    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        """Return the logits of the reference pairs: near users answer them alike."""
        posterior.require(population)
        return posterior.mean


def _check(population: Population, features: FloatArray) -> None:
    require_fit(population, GroupPreferenceOptimisation.name)
    require_width(features, len(population.arrays["projection"]))


def _read(population: Population, evidence: Evidence) -> dict[str, FloatArray]:
    """Return comparisons of positive weight in the coordinates of tokens."""
    told = evidence.take(evidence.weight > 0)
    projection, centre = population.arrays["projection"], population.arrays["centre"]
    return {
        "chosen": (told.chosen - centre) @ projection,
        "rejected": (told.rejected - centre) @ projection,
        "weight": np.array(told.weight, np.float32),
        "target": np.array(told.target, np.float32),
    }


def _posterior(population: Population, state: Mapping[str, FloatArray], count: int) -> Posterior:
    kept = {name: np.ascontiguousarray(value[-_KEPT:]) for name, value in state.items()}
    references = population.arrays["references"]  # (2, Q, I)
    rewards = _rewards(population, kept, references.reshape(-1, references.shape[-1]))
    mean = rewards[: references.shape[1]] - rewards[references.shape[1] :]
    root = (references[0] - references[1]) @ population.arrays[f"{_PREFIX}spread"]  # (Q, S)
    covariance = root @ _doubt(population, kept) @ root.T
    return Posterior(
        reward_model=population.reward_model,
        population=population.version,
        fingerprint=population.fingerprint,
        mean=mean,
        covariance=(0.5 * (covariance + covariance.T)).astype(np.float32),
        count=count,
        state=kept,
    )


def _network(population: Population) -> Parameters:
    return {
        name.removeprefix(_PREFIX): value
        for name, value in population.arrays.items()
        if name.startswith(_PREFIX)
    }


def _rewards(
    population: Population, state: Mapping[str, FloatArray], responses: FloatArray
) -> FloatArray:
    """Return the rewards ``(B,)`` of responses in the coordinates of tokens, ``(B, I)``."""
    network, heads = _network(population), int(population.meta["heads"])
    tokens = labelled(state["chosen"], state["rejected"], state["target"])
    known = read_context(network, tokens, np.tile(state["weight"], 2), heads=heads)
    personal = predict(network, known, unlabelled(responses), heads=heads)[:, 0]
    earned = gate(float(state["weight"].sum()))
    pooled = responses[:, 0] * (population.arrays["scale"][0] * network["pooled"][0])
    total: FloatArray = (pooled + earned * personal).astype(np.float32)
    return total


def _doubt(population: Population, state: Mapping[str, FloatArray]) -> FloatArray:
    """Return the covariance ``(S, S)`` of the spread's coordinates: it shrinks with each answer."""
    difference = (state["chosen"] - state["rejected"]).astype(np.float64)
    told = difference @ population.arrays[f"{_PREFIX}spread"]  # (n, S)
    p = sigmoid(difference[:, 0] * population.arrays["scale"][0])
    weight = state["weight"] * p * (1.0 - p)
    precision = np.eye(told.shape[1]) + (told.T * weight) @ told
    covariance: FloatArray = np.linalg.inv(precision)
    return covariance


def _variance(
    population: Population, state: Mapping[str, FloatArray], differences: FloatArray
) -> FloatArray:
    """Return the personal variance ``(B,)`` of differences in the coordinates of tokens."""
    asked = differences @ population.arrays[f"{_PREFIX}spread"]
    variance = np.einsum("bs,st,bt->b", asked, _doubt(population, state), asked)
    positive: FloatArray = np.maximum(variance, 0.0).astype(np.float32)
    return positive

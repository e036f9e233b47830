"""The variational reward model: a context of comparisons is encoded into a Gaussian per user."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, RewardModel, no_progress
from persona_engine.modelling import require_fit, require_width, sigmoid
from persona_engine.types import (
    Context,
    Evidence,
    FloatArray,
    IntArray,
    Population,
    Posterior,
    PreferenceData,
    Score,
)
from persona_vpl.inference import points_of, posteriors, project, rewards, tokens_of
from persona_vpl.queries import MOST_TOGETHER, information
from persona_vpl.settings import Aggregation, Decoder, Scaling, Settings
from persona_vpl.training import fit_population


class Variational(RewardModel):
    """An encoder turns a user's comparisons into a Gaussian; a network scores replies given it.

    ``q(z | c) = N(μ(c), diag σ²(c))``, ``r_u(x) = w·x + f(x, z)``, ``P(a ≻ b) = E_q[σ(r_u(a) -
    r_u(b))]``: variational preference learning (Poddar et al. 2024, arXiv:2408.10075). Each
    comparison is embedded by a perceptron, attends to the others, and becomes a Gaussian; training
    predicts some of a user's comparisons from random others of hers and maximises the evidence
    lower bound ``E_q[log σ(Δr)] - β · KL(q ‖ N(0, I))``, ``β`` rising along a cosine. ``w`` is the
    pooled reward, where training starts; where the networks gain nothing on held-out users it is
    all there is. Nothing is trained for a new user: her posterior is one pass of the encoder.

    Against posterior collapse (a latent that says nothing): swap guidance and inverse
    autoregressive flows that read the context (Kim & Kim 2026).
    ``Population.meta["active_units"]`` is the share of the latent's units that differ between users
    (Burda et al. 2016, arXiv:1509.00519).

    When to use it: many users with many comparisons, tastes that are no linear function of the
    features, and adaptation in one pass. With some hundred users ``hierarchical`` is more accurate
    and its posterior is the exact one of its model.

    Args:
        latent: Width of the latent, ``k``, a power of two from 4 to 128.
        hidden: Width of the hidden layers.
        aggregation: ``product`` multiplies the prior by one Gaussian a comparison, so that the
            spread shrinks with each; ``mean`` is the published mean over the context, clamped to
            [-1, 1], which is as sure of one comparison as of a hundred.
        decoder: ``concatenated`` reads ``[x; z]`` as published; ``modulated`` also lets ``z`` scale
            and shift the last hidden layer, as SPL does.
        scaling: ``win_rate`` makes the rewards of `score` the mean chance in [0, 1] to beat
            reference responses of the training data (the published SPO scaling); `logit` stays
            the log-odds.
        divergence_weight: ``β``; small, because it weighs against the mean loss of a comparison.
        guidance: Weight of the swap guidance; 0 for none (SPL: 1e-3 and below).
        flows: Number of inverse autoregressive flows; 0 for a Gaussian (SPL: 2).
        steps: Most steps of Adam; training stops where held-out users gain no more.
        learning_rate: Its first step size.
        decay: Decoupled weight decay.
        context: Most comparisons in a training context; sizes are uniform from 0.
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
        >>> model = Variational(latent=8, hidden=32, steps=100)
        >>> population = model.fit(data, rng=rng)
        >>> likes_it = Evidence(np.float32([[1, 0, 0]] * 4), np.float32([[-1, 0, 0]] * 4))
        >>> new = model.infer(population, likes_it)
        >>> p = model.logit(population, new, likes_it.chosen[:1], likes_it.rejected[:1])
        >>> bool(p.probability()[0] > 0.8)
        True
    """

    name = "vpl"

    def __init__(
        self,
        *,
        latent: int = 32,
        hidden: int = 128,
        aggregation: Aggregation = "product",
        decoder: Decoder = "modulated",
        scaling: Scaling = "none",
        divergence_weight: float = 3e-3,
        guidance: float = 0.0,
        flows: int = 0,
        steps: int = 400,
        learning_rate: float = 2e-3,
        decay: float = 0.01,
        context: int = 16,
        keep: float = 0.999,
    ) -> None:
        self._settings = Settings(
            latent=latent,
            hidden=hidden,
            aggregation=aggregation,
            decoder=decoder,
            scaling=scaling,
            learning_rate=learning_rate,
            decay=decay,
            divergence_weight=divergence_weight,
            guidance=guidance,
            flows=flows,
            steps=steps,
            context=context,
            keep=keep,
        )

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        """Fit the pooled reward and the networks, stopped on held-out users' few-shot loss.

        Args:
            data: Comparisons ``(N, D)`` of ``U`` users.
            rng: Draws folds, first values, contexts and noise.
            progress: Told as training goes on.

        Raises:
            InvalidInputError: No comparison has weight, or no two responses differ.
        """
        return fit_population(
            data, name=self.name, settings=self._settings, rng=rng, progress=progress
        )

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        """Return the Gaussian over ``z`` after ``n >= 0`` comparisons; their order is no matter.

        Raises:
            InvalidInputError: The features have another width than the population's.
            FingerprintMismatchError: Another reward model fitted the population.
        """
        return self.infer_many(population, [evidence])[0]

    def infer_many(self, population: Population, evidence: Sequence[Evidence]) -> list[Posterior]:
        """Return the posterior of many users, as `infer` gives each."""
        for each in evidence:
            self._check(population, each.chosen)
        counts = [len(each) for each in evidence]
        return posteriors(population, tokens_of(population, evidence), counts)

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        """Return the posterior after further comparisons, as `infer` on all of them gives it.

        A posterior keeps the embedded comparisons, ``k`` numbers each, and is encoded anew.
        """
        posterior.require(population)
        self._check(population, evidence.chosen)
        new = tokens_of(population, [evidence])[0]
        joined = {name: np.concatenate([posterior.state[name], new[name]]) for name in new}
        return posteriors(population, [joined], [posterior.count + len(evidence)])[0]

    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the rewards of responses ``(B, D)`` for ``U`` users, ``(U, B)``.

        Mean and spread are those over the points of each user's posterior; `context` is not read.
        """
        for posterior in posteriors:
            posterior.require(population)
        self._check(population, responses)
        projected = project(population, responses)
        mean, std = np.zeros((2, len(posteriors), len(responses)), np.float32)
        for row, posterior in enumerate(posteriors):
            points = points_of(posterior)
            found = rewards(population, points, projected)  # (B, S)
            if self._settings.scaling == "win_rate":
                others = rewards(population, points, population.arrays["references"])  # (M, S)
                found = sigmoid(found[:, None] - others).mean(1)
            mean[row], std[row] = found.mean(-1), found.std(-1)
        return Score(mean, std)

    def logit(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the log-odds that ``a`` is preferred to ``b`` and their joint spread, ``(B,)``."""
        posterior.require(population)
        self._check(population, a)
        self._check(population, b)
        points = points_of(posterior)
        first, second = (rewards(population, points, project(population, x)) for x in (a, b))
        gap = first - second  # (B, S)
        return Score(gap.mean(-1), gap.std(-1))

    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        """Return the user's expected rewards of ``M`` reference responses, centred, ``(M,)``.

        A distance is disagreement about them, and the cosine of two users is the correlation of
        their rewards; ``z`` itself has units that no reward may depend on.
        """
        posterior.require(population)
        points = points_of(posterior)
        expected = rewards(population, points, population.arrays["references"]).mean(-1)
        found: FloatArray = (expected - expected.mean()) / np.float32(np.sqrt(len(expected)))
        return found

    def information_gain(
        self, population: Population, posterior: Posterior, a: FloatArray, b: FloatArray
    ) -> FloatArray:
        """Return how many nats about the latent the answers to comparisons carry.

        For every labeling of a set the encoder gives a Gaussian; the gain is the entropy of the
        Gaussian with the moments of their mixture, less their mean entropy. Ask the set with the
        greatest gain (Poddar et al. 2024, section on active queries, weigh labelings equally; here
        each has the probability that the posterior gives it).

        Args:
            population: Where the posterior was inferred.
            posterior: What is believed of the user.
            a: First responses, ``(M, D)`` for single comparisons or ``(M, Q, D)`` for sets of at
                most 6 that are asked together.
            b: The others, same shape.

        Raises:
            InvalidInputError: Shapes disagree or a set has more than 6 comparisons.
            FingerprintMismatchError: The posterior is of another population.
        """
        posterior.require(population)
        sets = a if a.ndim == 3 else a[:, None]
        if a.shape != b.shape or a.ndim not in (2, 3) or not 1 <= sets.shape[1] <= MOST_TOGETHER:
            raise InvalidInputError(
                f"queries have the shapes {a.shape} and {b.shape}, expected both (M, D), or "
                f"(M, Q, D) with Q from 1 to {MOST_TOGETHER}"
            )
        width = sets.shape[-1]
        flat = [x.reshape(-1, width) for x in (a, b)]
        for each in flat:
            self._check(population, each)
        first, second = (project(population, each).reshape(*sets.shape[:2], -1) for each in flat)
        return information(population, posterior, first, second)

    def choose_queries(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        count: int,
        rng: np.random.Generator,
        sets: int = 200,
    ) -> IntArray:
        """Return the rows ``(count,)`` of the set of comparisons that teaches most together.

        Args:
            population: Where the posterior was inferred.
            posterior: What is believed of the user.
            a: First responses of the candidates, ``(M, D)``.
            b: The others, ``(M, D)``.
            count: Comparisons to ask, 1 to 6; one is chosen among all candidates, more among
                random sets of them.
            rng: Draws the sets.
            sets: How many sets to look at (the paper: 1000).

        Raises:
            InvalidInputError: ``count`` is out of range or there are too few candidates.
        """
        if not 1 <= count <= min(MOST_TOGETHER, len(a)):
            raise InvalidInputError(
                f"count is {count}, expected 1 to {min(MOST_TOGETHER, len(a))}: the number of "
                f"candidates, at most {MOST_TOGETHER}"
            )
        if count == 1:
            rows = np.arange(len(a))[:, None]
        else:
            rows = np.argsort(rng.random((sets, len(a))), axis=1)[:, :count]
        gain = self.information_gain(population, posterior, a[rows], b[rows])
        best: IntArray = rows[int(gain.argmax())]
        return best

    def _check(self, population: Population, features: FloatArray) -> None:
        require_fit(population, self.name)
        require_width(features, len(population.arrays["axes"]))

"""Reward models whose users are shares of a few reward heads that all users have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_engine.interfaces import RewardModel
from persona_engine.modelling.checks import require_fit, require_width
from persona_engine.modelling.differences import Doubles
from persona_engine.modelling.heads import head_log_likelihood, mix_heads
from persona_engine.modelling.logistic import softmax
from persona_engine.types import Context, Evidence, FloatArray, Population, Posterior, Score


class HeadMixtureModel(RewardModel):
    """``r_k(x) = w_k·(x - c)``, a user's head ``k`` with probability ``q_k``: all but the fit.

    ``q ∝ π · exp(η Σ log σ(Δr_k))``, exactly, whatever the order of the comparisons. A reward has
    mean ``Σ q_k r_k`` and the mixture's variance, beside that of the pooled weights, which every
    head stands on; what sets the heads apart is taken as known. Populations hold the arrays

    - ``heads (D, K)``: ``w``, and ``prior (K,)``: ``π``,
    - ``shared_factor (D, R)``: a root of the covariance of the pooled weights,
    - ``centre (D,)``: the response whose reward is zero,
    - ``embedding (K, K)``: maps ``q`` to the user's preference embedding,

    and in ``meta`` the ``rate`` ``η``, 1 if it is not there.

    When to use it: where tastes come in kinds. Inherit from `LinearLatentModel` where they vary by
    degrees.
    """

    multimodal = True

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        """Return the probabilities of the heads after ``n >= 0`` comparisons.

        Raises:
            InvalidInputError: The features have another width than the population's.
            FingerprintMismatchError: Another reward model fitted the population.
        """
        self._check(population, evidence.chosen)
        likelihood = head_log_likelihood(population.arrays["heads"], evidence)
        return self._posterior(population, likelihood, len(evidence))

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        """Return the posterior after further comparisons, exactly as `infer` on all of them."""
        posterior.require(population)
        self._check(population, evidence.chosen)
        likelihood = head_log_likelihood(population.arrays["heads"], evidence)
        seen = posterior.state["log_likelihood"] + likelihood
        return self._posterior(population, seen, posterior.count + len(evidence))

    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the rewards of responses ``(B, D)`` for ``U`` users, ``(U, B)``.

        Zero is the population's mean response.
        """
        for posterior in posteriors:
            posterior.require(population)
        self._check(population, responses)
        return self._mix(population, posteriors, responses - population.arrays["centre"], context)

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
        score = self._mix(population, [posterior], a - b, context)
        return Score(score.mean[0], score.std[0])

    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        """Return ``(K,)`` coordinates in which the cosine of two users is that of their logits."""
        posterior.require(population)
        embedding: FloatArray = population.arrays["embedding"] @ posterior.mean
        return embedding

    def log_prior(self, population: Population, context: Context | None) -> Doubles:
        """Return the log-weights of the heads before any answer, ``(1, K)`` or, by row, ``(B, K)``.

        A model whose heads depend on the prompt defines this.
        """
        prior: Doubles = np.log(population.arrays["prior"].astype(np.float64))[None]
        return prior

    def _posterior(self, population: Population, likelihood: Doubles, count: int) -> Posterior:
        share = _shares(self.log_prior(population, None), population, likelihood)[0]
        return Posterior(
            reward_model=population.reward_model,
            population=population.version,
            fingerprint=population.fingerprint,
            mean=share.astype(np.float32),
            covariance=(np.diag(share) - np.outer(share, share)).astype(np.float32),
            count=count,
            state={"log_likelihood": likelihood},
        )

    def _mix(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        features: FloatArray,
        context: Context | None,
    ) -> Score:
        """Return rewards ``(U, B)`` of centred or differenced features ``(B, D)``."""
        heads = population.arrays["heads"]
        seen = np.array([each.state["log_likelihood"] for each in posteriors], np.float64)
        seen = seen.reshape(len(posteriors), 1, heads.shape[1])
        share = _shares(self.log_prior(population, context), population, seen)  # (U, 1 or B, K)
        shared = features @ population.arrays["shared_factor"]  # (B, R)
        variance = np.einsum("br,br->b", shared, shared)
        return mix_heads(share.astype(np.float32), features @ heads, variance)

    def _check(self, population: Population, features: FloatArray) -> None:
        require_fit(population, self.name)
        require_width(features, len(population.arrays["heads"]))


def _shares(log_prior: Doubles, population: Population, likelihood: Doubles) -> Doubles:
    return softmax(log_prior + population.meta.get("rate", 1.0) * likelihood)

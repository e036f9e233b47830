"""Reward models whose users are Gaussians over a latent space that rewards are linear in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_engine.interfaces import RewardModel
from persona_engine.modelling.checks import require_fit, require_width
from persona_engine.modelling.crowd import CrowdPosteriors
from persona_engine.modelling.histories import log_likelihoods_since
from persona_engine.modelling.inference import infer_batches, infer_one, update_one
from persona_engine.types import (
    Context,
    Evidence,
    FloatArray,
    IntArray,
    Population,
    Posterior,
    Score,
)


class LinearLatentModel(RewardModel):
    """``r_u(x) = (w₀ + B z_u)·(x - c)`` with ``z_u ~ N(0, I)``: all but the fit.

    A plugin that learns ``w₀`` and ``B`` inherits inference, updates, scores and embeddings;
    another mean or covariance of its prior is absorbed by them. Its populations hold the arrays

    - ``projection (D, 1+K)``: ``w₀`` and ``B``,
    - ``shared_factor (D, R)``: a root of the covariance of ``w₀``,
    - ``centre (D,)``: the response whose reward is zero,
    - ``embedding (1+K, 1+K)``: maps ``[1, z]`` to the user's preference embedding.

    When to use it: for posteriors that are Gaussian in a space of at most some dozens of
    dimensions. Inherit from `persona_engine.interfaces.RewardModel` for others.
    """

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        """Return the Gaussian over ``z`` after ``n >= 0`` comparisons; their order is no matter.

        Raises:
            InvalidInputError: The features have another width than the population's.
            FingerprintMismatchError: Another reward model fitted the population.
        """
        self._check(population, evidence.chosen)
        return infer_one(population, evidence)

    def infer_many(self, population: Population, evidence: Sequence[Evidence]) -> list[Posterior]:
        """Return the posterior of many users, as `infer` gives each, in batches of equal size."""
        for chosen in {each.chosen.shape[1]: each.chosen for each in evidence}.values():
            self._check(population, chosen)  # one of each width
        return infer_batches(population, evidence)

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        """Return the posterior after further comparisons, as `infer` on all of them gives it.

        Exact up to 512 comparisons; of more, the oldest are kept as the Gaussian that they made of
        the posterior when they were folded.
        """
        posterior.require(population)
        self._check(population, evidence.chosen)
        return update_one(population, posterior, evidence)

    def log_likelihoods_since(
        self, population: Population, evidence: Evidence, starts: IntArray
    ) -> FloatArray:
        """Return ``log P(answer t | answers s … t-1)`` for each start ``s``, ``(C, n)``.

        Args:
            population: What it stands on.
            evidence: One user's comparisons, oldest first.
            starts: ``(C,)`` ascending rows.
        """
        self._check(population, evidence.chosen)
        projected = (evidence.chosen - evidence.rejected) @ population.arrays["projection"]
        latent = projected[:, 1:].astype(np.float64)
        return log_likelihoods_since(latent @ latent.T, projected[:, 0], evidence, starts)

    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the rewards of responses ``(B, D)`` for ``U`` users, ``(U, B)``.

        Zero is the population's mean response. The spread holds the user's and the shared weights'.
        """
        for posterior in posteriors:
            posterior.require(population)
        self._check(population, responses)
        rank = population.arrays["projection"].shape[1] - 1
        mean = np.array([p.mean for p in posteriors], np.float32).reshape(len(posteriors), rank)
        covariance = np.array([p.covariance for p in posteriors], np.float32)
        features = responses - population.arrays["centre"]
        return _project(population, mean, covariance.reshape(len(posteriors), rank, rank), features)

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
        score = _project(population, posterior.mean[None], posterior.covariance[None], a - b)
        return Score(score.mean[0], score.std[0])

    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        """Return ``(1 + K,)`` coordinates that make a cosine a correlation.

        The cosine of two users is that of their logits over the population's comparisons.
        """
        posterior.require(population)
        taste = np.concatenate([np.ones(1, np.float32), posterior.mean])
        embedding: FloatArray = population.arrays["embedding"] @ taste
        return embedding

    def embed_many(self, population: Population, posteriors: Sequence[Posterior]) -> FloatArray:
        """Return the embeddings of many users, ``(U, 1 + K)``."""
        require_fit(population, self.name)
        if isinstance(posteriors, CrowdPosteriors):
            mean = posteriors.mean
        else:
            for each in posteriors:
                each.require(population)
            mean = np.stack([each.mean for each in posteriors])
        taste = np.concatenate([np.ones((len(mean), 1), np.float32), mean], 1)
        embeddings: FloatArray = taste @ population.arrays["embedding"].T
        return embeddings

    def _check(self, population: Population, features: FloatArray) -> None:
        require_fit(population, self.name)
        require_width(features, len(population.arrays["projection"]))


def _project(
    population: Population, mean: FloatArray, covariance: FloatArray, features: FloatArray
) -> Score:
    """Return rewards ``(U, B)`` of centred or differenced features ``(B, D)``."""
    projected = features @ population.arrays["projection"]  # (B, 1+K)
    latent = projected[:, 1:]
    shared = features @ population.arrays["shared_factor"]  # (B, R)
    reward = projected[:, 0] + mean @ latent.T  # (U, B)
    personal = np.einsum("ubk,bk->ub", latent @ covariance, latent)
    variance = np.maximum(personal, 0.0) + np.einsum("br,br->b", shared, shared)
    return Score(reward, np.sqrt(variance))

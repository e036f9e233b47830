"""The hierarchical reward model: what all prefer, plus a Gaussian for how one user differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, no_progress
from persona_engine.modelling import (
    LinearLatentModel,
    infer_in_span,
    require_at_least,
    require_share,
)
from persona_engine.types import (
    Context,
    CrowdEvidence,
    Evidence,
    FloatArray,
    IntArray,
    JointScore,
    Population,
    Posterior,
    PreferenceData,
    Score,
)
from persona_hierarchical.histories import answers_since
from persona_hierarchical.influence import unlearned, without_curvature
from persona_hierarchical.landmarks import mapped, mapped_crowd, mapped_evidence
from persona_hierarchical.scoring import (
    joint_tastes,
    key_of_one,
    keys_of,
    recalled,
    remembering,
    remembering_all,
    tastes,
    with_recall,
)
from persona_hierarchical.training import fit_population


class Hierarchical(LinearLatentModel):
    """One Gaussian per user over a low-rank space of tastes that all users share.

    ``r_u(x) = (w₀ + B z_u)·(x - c) + e_u(x)``, ``z_u ~ N(0, I)``,
    ``P(a ≻ b) = σ(r_u(a) - r_u(b))``;
    any other mean and covariance of ``z`` are absorbed by ``w₀`` and ``B``. ``w₀`` and ``B``
    maximise the penalised lower bound of the marginal likelihood (Opper & Archambeau 2009, "The
    variational Gaussian approximation revisited") from a spectral start. Penalty, rank and scales
    are those that predict held-out users best after 0 to 16 of their comparisons; the rank is 0,
    which is the pooled model, where they gain less than two standard errors. A user's posterior is
    Laplace's: ``N(ẑ, (I + Σ p(1-p) b bᵀ)⁻¹)``, ``b = Bᵀ(chosen - rejected)``, and probabilities are
    integrated over it (MacKay 1992, "The evidence framework applied to classification networks").
    ``e_u(x) ~ N(0, recall)`` is what the user thinks of one response beyond tastes: it is known
    only of responses that they have judged, and there only if users are found to be like that.
    Where the same responses are compared often, ``r_u(x) = (1 + s z_u) g(x)`` takes the place of
    this if it predicts held-out users better: ``g`` is a Gaussian process over responses with
    Matérn-1/2 covariance, ``s`` how much users differ in following it (Simpson & Gurevych 2020,
    "Scalable Bayesian preference learning for crowds").
    Low-rank user weights follow PReF (Shenfeld et al. 2025, arXiv:2503.06358) and LoRe (Bose et al.
    2025, arXiv:2504.14439), here with uncertainty.

    When to use it: the default. It needs a few comparisons a user and some dozens of users to fit,
    then milliseconds and a handful of comparisons for a new person. Use ``bradley_terry`` where
    nothing may be learned about single people.

    Args:
        max_rank: Most latent dimensions to consider; 0 gives the pooled model.
        folds: Parts that the users are split into to choose the settings.
        keep: Share of the differences' second moment that the principal axes must hold.
        forgets: Whether populations carry the curvature that `unlearn` takes; without it they are a
            sixth of the size.

    Raises:
        InvalidInputError: A setting is out of range.

    Examples:
        >>> from persona_engine.types import Evidence
        >>> rng = np.random.default_rng(0)
        >>> user = np.repeat(np.arange(60), 10)
        >>> a, b = rng.normal(size=(2, 600, 3)).astype(np.float32)
        >>> likes = np.where(user % 2 == 0, 3.0, -3.0)  # half like the first feature, half dislike
        >>> first = (likes * (a - b)[:, 0] > 0)[:, None]
        >>> data = PreferenceData(np.where(first, a, b), np.where(first, b, a), user, "example")
        >>> model = Hierarchical()
        >>> population = model.fit(data, rng=rng)
        >>> high, low = np.float32([[1, 0, 0]]), np.float32([[-1, 0, 0]])
        >>> fan = model.infer(population, Evidence(high.repeat(3, 0), low.repeat(3, 0)))
        >>> bool(model.logit(population, fan, 2 * high, low).probability()[0] > 0.8)
        True
    """

    name = "hierarchical"

    def __init__(
        self, *, max_rank: int = 16, folds: int = 3, keep: float = 0.999, forgets: bool = True
    ) -> None:
        if not 0 <= max_rank <= 16:
            raise InvalidInputError(f"max_rank is {max_rank}, expected 0 to 16")
        require_at_least(2, folds=folds)
        require_share(keep=keep)
        self._max_rank = max_rank
        self._folds = folds
        self._keep = keep
        self._forgets = forgets

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        """Fit ``w₀`` and ``B`` on all comparisons, their settings chosen on held-out users.

        Args:
            data: Comparisons ``(N, D)`` of ``U`` users.
            rng: Draws the folds.
            progress: Told after each fold.

        Raises:
            InvalidInputError: No comparison has weight, or no two responses differ.
        """
        population = fit_population(
            data,
            name=self.name,
            folds=self._folds,
            max_rank=self._max_rank,
            keep=self._keep,
            rng=rng,
            progress=progress,
        )
        return population if self._forgets else without_curvature(population)

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        """Return the posterior after ``n >= 0`` comparisons; their order is no matter.

        Raises:
            InvalidInputError: The features have another width than the population's.
            FingerprintMismatchError: Another reward model fitted the population.
        """
        evidence = mapped_evidence(population, evidence)
        return remembering(population, super().infer(population, evidence), evidence)

    def infer_many(self, population: Population, evidence: Sequence[Evidence]) -> list[Posterior]:
        """Return the posterior of many users, as `infer` gives each, in batches of equal size."""
        evidence = mapped_crowd(population, evidence)
        return remembering_all(population, super().infer_many(population, evidence), evidence)

    def infer_crowd(self, population: Population, crowd: CrowdEvidence) -> Sequence[Posterior]:
        """Return the posterior of many users who compared shared responses, as `infer` gives each.

        Newton's method runs in the span of each user's own comparisons, so that it costs the same
        whatever the rank.
        """
        items = mapped(population, crowd.items)
        self._check(population, items)
        keys = {"key": items @ population.arrays["key"]} if "recall" in population.arrays else {}
        return infer_in_span(population, crowd, solve=self.infer_many, items=items, of_items=keys)

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        """Return the posterior after further comparisons, as `infer` on all of them gives it.

        Exact up to 512 comparisons; of more, the oldest are kept as the Gaussian that they made of
        the posterior when they were folded.
        """
        evidence = mapped_evidence(population, evidence)
        updated = super().update(population, posterior, evidence)
        return remembering(population, updated, evidence, posterior)

    def log_likelihoods_since(
        self, population: Population, evidence: Evidence, starts: IntArray
    ) -> FloatArray:
        """Return ``log P(answer t | answers s … t-1)`` for each start ``s``, ``(C, n)``."""
        evidence = mapped_evidence(population, evidence)
        self._check(population, evidence.chosen)
        return answers_since(population, evidence, starts)

    def unlearn(self, population: Population, evidence: Evidence) -> Population | None:
        """Return the population without a user's comparisons, by one Newton step on the bound.

        The curvature that this takes is kept with the population, at most 4 MB of it; populations
        that were fitted before it was give None. Penalty, rank, scales and the smooth form's
        landmarks stay as they are.

        Raises:
            InvalidInputError: The features have another width than the population's.
            FingerprintMismatchError: Another reward model fitted the population.
        """
        evidence = mapped_evidence(population, evidence)
        self._check(population, evidence.chosen)
        return unlearned(population, evidence)

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
        responses = mapped(population, responses)
        self._check(population, responses)
        score = tastes(population, posteriors, responses - population.arrays["centre"])
        if "recall" not in population.arrays:
            return score
        return with_recall(population, posteriors, score, key_of_one(population, responses))

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
        score = self.logits(population, [posterior], a, b)
        return Score(score.mean[0], score.std[0])

    def logits(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the log-odds of ``U`` users at once, as `logit` gives each, ``(U, B)``."""
        for posterior in posteriors:
            posterior.require(population)
        a, b = mapped(population, a), mapped(population, b)
        self._check(population, a)
        self._check(population, b)
        score = tastes(population, posteriors, a - b)
        if "recall" not in population.arrays:
            return score
        return with_recall(population, posteriors, score, keys_of(population, a, b))

    def joint_logit(
        self, population: Population, posterior: Posterior, a: FloatArray, b: FloatArray
    ) -> JointScore:
        """Return the log-odds that ``a`` is preferred to ``b`` together, with what they share."""
        posterior.require(population)
        a, b = mapped(population, a), mapped(population, b)
        self._check(population, a)
        self._check(population, b)
        score = joint_tastes(population, posterior, a - b)
        if "recall" not in population.arrays:
            return score
        known = recalled(population, posterior, keys_of(population, a, b))
        return replace(score, mean=score.mean + known)

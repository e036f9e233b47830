"""The pooled Bradley–Terry reward model: one taste for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from persona_engine.interfaces import Progress, RewardModel, no_progress
from persona_engine.modelling import (
    choose_ridge,
    fit_ridge,
    folds_of_users,
    laplace_covariance,
    leave_out,
    principal_differences,
    require_at_least,
    require_fit,
    require_share,
    require_width,
    without_user,
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


class BradleyTerry(RewardModel):
    """The same reward for every user: ``r(x) = w·(x - c)``, ``P(a ≻ b) = σ(w·(a - b))``.

    Bradley & Terry (1952), "Rank analysis of incomplete block designs: the method of paired
    comparisons", with a Gaussian prior on ``w`` whose strength is chosen on held-out users. ``w``
    is believed to be ``N(ŵ, C)`` by Laplace's method (MacKay 1992), so every reward has a standard
    deviation; it says how well the population's taste is known, not how a person differs from it.

    When to use it: as the baseline that every personal model must beat, and where users agree or
    nothing may be learned about single people. Where tastes differ, use ``hierarchical``.

    Args:
        folds: Parts that the users are split into to choose the penalty.
        keep: Share of the differences' second moment that the principal axes must hold.

    Raises:
        InvalidInputError: A setting is out of range.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> a, b = rng.normal(size=(2, 200, 3)).astype(np.float32)
        >>> first = (a[:, 0] > b[:, 0])[:, None]
        >>> data = PreferenceData(
        ...     np.where(first, a, b), np.where(first, b, a), np.arange(200) % 10, "example"
        ... )
        >>> model = BradleyTerry()
        >>> population = model.fit(data, rng=rng)
        >>> anyone = model.infer(population, Evidence.empty(3))
        >>> best, worst = np.float32([[1, 0, 0]]), np.float32([[-1, 0, 0]])
        >>> bool(model.logit(population, anyone, best, worst).probability()[0] > 0.9)
        True
    """

    name = "bradley_terry"
    personal = False

    def __init__(self, *, folds: int = 5, keep: float = 0.999) -> None:
        require_at_least(2, folds=folds)
        require_share(keep=keep)
        self._folds = folds
        self._keep = keep

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        """Fit ``w`` on all comparisons, its penalty chosen on held-out users.

        Args:
            data: Comparisons ``(N, D)`` of ``U`` users.
            rng: Draws the folds.
            progress: Told after each fold.

        Raises:
            InvalidInputError: No comparison has weight, or no two responses differ.
        """
        differences = principal_differences(data, keep=self._keep)
        folds = folds_of_users(data.user, count=self._folds, rng=rng)
        total = len(folds) + 1
        ridge, losses = choose_ridge(
            differences, folds, lambda done: progress("bradley_terry", done, total)
        )
        w = fit_ridge(differences, differences.weight, ridge)
        covariance, inflation = laplace_covariance(differences, w, ridge)
        factor = np.linalg.cholesky(inflation * covariance)  # (R, R)
        progress("bradley_terry", total, total)
        return Population(
            reward_model=self.name,
            fingerprint=data.fingerprint,
            arrays={
                "weights": (differences.axes @ w).astype(np.float32),
                "factor": (differences.axes @ factor).astype(np.float32),
                "centre": differences.centre,
            },
            meta={
                "ridge": ridge,
                "held_out_nll": float(losses.min()),
                "spread_inflation": inflation,
                "axes": len(w),
                "users": len(data.users),
                "comparisons": len(data),
            },
        )

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        """Return what is believed of anybody: nothing personal, a latent space of no dimensions.

        Raises:
            InvalidInputError: The features have another width than the population's.
        """
        _check(population, evidence.chosen)
        return _posterior(population, len(evidence))

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        """Return the same belief, with the comparisons counted."""
        posterior.require(population)
        _check(population, evidence.chosen)
        return _posterior(population, posterior.count + len(evidence))

    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the rewards of responses ``(B, D)``, equal for all ``U`` users, ``(U, B)``."""
        for posterior in posteriors:
            posterior.require(population)
        _check(population, responses)
        shared = _project(population, responses - population.arrays["centre"])
        shape = (len(posteriors), len(responses))
        return Score(np.broadcast_to(shared.mean, shape), np.broadcast_to(shared.std, shape))

    def logit(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the log-odds ``w·(a - b)`` and their spread ``√((a-b)ᵀ C (a-b))``, ``(B,)``."""
        posterior.require(population)
        _check(population, a)
        _check(population, b)
        return _project(population, a - b)

    def unlearn(self, population: Population, evidence: Evidence) -> Population | None:
        """Return the population without a user's comparisons, by `leave_out`.

        Raises:
            InvalidInputError: The features have another width than the population's.
        """
        _check(population, evidence.chosen)
        arrays = population.arrays
        rest = leave_out(
            arrays["weights"],
            arrays["factor"],
            evidence,
            inflation=float(population.meta["spread_inflation"]),
        )
        counts = without_user(population, len(evidence))
        weights, factor = rest.weights.astype(np.float32), rest.factor.astype(np.float32)
        return replace(
            population, arrays={**arrays, "weights": weights, "factor": factor}, meta=counts
        )

    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        """Return ``[1]``: all users prefer alike."""
        posterior.require(population)
        return np.ones(1, np.float32)


def _posterior(population: Population, count: int) -> Posterior:
    return Posterior(
        reward_model=population.reward_model,
        population=population.version,
        fingerprint=population.fingerprint,
        mean=np.zeros(0, np.float32),
        covariance=np.zeros((0, 0), np.float32),
        count=count,
    )


def _project(population: Population, features: FloatArray) -> Score:
    mean = features @ population.arrays["weights"]
    spread = features @ population.arrays["factor"]  # (B, R)
    return Score(mean, np.sqrt(np.einsum("br,br->b", spread, spread)))


def _check(population: Population, features: FloatArray) -> None:
    require_fit(population, BradleyTerry.name)
    require_width(features, len(population.arrays["weights"]))

"""PReF: users as points of a linear space of rewards, found by joint maximum likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, no_progress
from persona_engine.modelling import (
    Differences,
    Doubles,
    LinearLatentModel,
    choose_ridge,
    fit_ridge,
    folds_of_users,
    principal_differences,
    require_at_least,
    require_share,
)
from persona_engine.types import Evidence, FloatArray, Population, Posterior, PreferenceData
from persona_low_rank.geometry import metric_root, ordered, shared_factor
from persona_low_rank.joint import OneAndFree, Sample, fit_jointly, sample_of
from persona_low_rank.queries import query_values
from persona_low_rank.selection import Choice, Trial, choose, trials_of
from persona_low_rank.start import spectral_start

RIDGES = (1000.0, 300.0, 100.0, 30.0, 10.0, 3.0)
"""Penalties of the basis to choose from, in units of comparisons."""

SPREADS = (1.0, 0.0, 0.3, 0.5, 0.7, 1.4, 2.0)
"""Factors on the spread of users to choose from; 0 is the pooled reward for everybody."""


class Pref(LinearLatentModel):
    """Rewards are linear in a user's own weights on a shared basis of rewards.

    ``r_u(x) = (w₀ + B z_u)·(x - c)``, ``P(a ≻ b) = σ(r_u(a) - r_u(b))``. Basis and users are found
    together by maximum likelihood, ``min Σ weight·pair_loss + λ₀/2 |w₀|² + λ/2 |B|² + ½ Σ |z_u|²``,
    from the leading singular vectors of the sparse user × pair matrix (PReF: Shenfeld et al. 2025,
    "Language model personalization via reward factorization", arXiv:2503.06358; the constant
    weight of ``w₀`` is its ``bias``). The users found give the prior ``z ~ N(m, C)``, which ``w₀``
    and ``B`` absorb, and a new user is the logistic Laplace posterior under it; PReF itself takes
    the maximum likelihood without a prior, by 5,000 steps of gradient descent from a random start.
    `Pref.query_values` says which comparison to ask.

    When to use it: where people differ in many ways and have given a dozen answers or more each, on
    items that recur. Compared with ``hierarchical`` it fits in a tenth of the time; users with few
    answers each draw its basis towards themselves, because it does not average over what is
    unknown of them.

    Args:
        rank: Most latent dimensions.
        folds: Parts that the users are split into to choose penalty and spread.
        keep: Share of the differences' second moment that the principal axes must hold.

    Raises:
        InvalidInputError: A setting is out of range.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> user = np.repeat(np.arange(40), 10)
        >>> a, b = rng.normal(size=(2, 400, 3)).astype(np.float32)
        >>> likes = np.where(user % 2 == 0, 3.0, -3.0)  # half like the first feature, half dislike
        >>> first = (likes * (a - b)[:, 0] > 0)[:, None]
        >>> data = PreferenceData(np.where(first, a, b), np.where(first, b, a), user, "example")
        >>> model = Pref()
        >>> population = model.fit(data, rng=rng)
        >>> high, low = np.float32([[1, 0, 0]]), np.float32([[-1, 0, 0]])
        >>> fan = model.infer(population, Evidence(high.repeat(3, 0), low.repeat(3, 0)))
        >>> bool(model.logit(population, fan, 2 * high, low).probability()[0] > 0.8)
        True
    """

    name = "pref"

    def __init__(self, *, rank: int = 16, folds: int = 3, keep: float = 0.999) -> None:
        if not 1 <= rank <= 64:
            raise InvalidInputError(f"rank is {rank}, expected 1 to 64")
        require_at_least(2, folds=folds)
        require_share(keep=keep)
        self._rank = rank
        self._folds = folds
        self._keep = keep

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        """Fit basis and users together, penalty and spread chosen on held-out users.

        Args:
            data: Comparisons ``(N, D)`` of ``U`` users.
            rng: Draws the folds and the held-out users' support.
            progress: Told after each fold.

        Raises:
            InvalidInputError: No comparison has weight, or no two responses differ.
        """
        differences = principal_differences(data, keep=self._keep)
        folds = folds_of_users(data.user, count=self._folds, rng=rng)
        total = 2 * len(folds) + 1
        shared_ridge, _ = choose_ridge(
            differences, folds, lambda done: progress(self.name, done, total)
        )
        trials = trials_of(differences, folds, ridge=shared_ridge, rng=rng)
        found_in = []
        for trial in trials:
            fit = partial(self._fit, differences, trial.seen, trial.shared, shared_ridge)
            found_in.append([fit(ridge) for ridge in RIDGES])
            progress(self.name, len(folds) + len(found_in), total)
        choice = self._choose(trials, found_in)
        ridge = RIDGES[choice.fit]
        everyone = sample_of(differences, np.ones(len(data), bool))
        shared = fit_ridge(differences, differences.weight, shared_ridge)
        fitted = self._fit(differences, everyone, shared, shared_ridge, ridge)
        found = fitted.spread(choice.setting)
        progress(self.name, total, total)
        meta = {
            "rank": found.basis.shape[1],
            "ridge": ridge,
            "spread": choice.setting,
            "shared_ridge": shared_ridge,
            "held_out_nll": choice.loss,
            "axes": len(found.shared),
            "users": len(data.users),
            "comparisons": len(data),
        }
        arrays = _arrays(differences, found, shared_ridge)
        return Population(self.name, data.fingerprint, arrays, meta)

    def query_values(
        self, population: Population, posterior: Posterior, a: FloatArray, b: FloatArray
    ) -> FloatArray:
        """Return how much the answer to each comparison ``(a, b)`` is worth, ``(n,)``.

        Ask the one with the greatest value: ``σ'(u·v)² vᵀ S⁻¹ v``, where ``S⁻¹`` is the covariance
        of the user's posterior, so that it is linearised anew after every answer.
        """
        logits = self.logit(population, posterior, a, b).mean.astype(np.float64)
        rows = ((a - b) @ population.arrays["projection"][:, 1:]).astype(np.float64)
        values = query_values(logits, rows, posterior.covariance.astype(np.float64))
        return values.astype(np.float32)

    def _fit(
        self,
        differences: Differences,
        sample: Sample,
        shared: Doubles,
        shared_ridge: float,
        ridge: float,
    ) -> _Found:
        start = spectral_start(sample, shared, rank=self._rank, ridge=shared_ridge)
        rank = start.free.shape[1]
        fit = fit_jointly(
            sample,
            start,
            OneAndFree(),
            anchor=np.zeros_like(start.basis),
            ridge=np.concatenate([[shared_ridge], np.full(rank, ridge)]),
            precision=1.0,
        )
        centre = fit.free.mean(0)
        away = fit.free - centre
        covariance = away.T @ away / len(away) + 1e-6 * np.eye(rank)
        directions = fit.basis[:, 1:]
        spread = ordered(differences, directions @ np.linalg.cholesky(covariance))
        return _Found(fit.basis[:, 0] + directions @ centre, spread, shared)

    def _choose(self, trials: Sequence[Trial], found: Sequence[Sequence[_Found]]) -> Choice[float]:
        """Return the settings of least loss; the pooled reward where nobody could be held out."""
        if not trials:
            return Choice(0, 0.0, 0.0)

        def loss(number: int, each: _Found, spread: float) -> float:
            return trials[number].unseen.loss(each.spread(spread).projection, self._belief)

        return choose(found, SPREADS, loss)

    def _belief(self, rows: Doubles, weight: Doubles, target: Doubles) -> tuple[Doubles, Doubles]:
        """Return ``[1, z]`` of users whose comparisons are projected, and its covariance."""
        users, _, width = rows.shape
        identity = np.eye(width, dtype=np.float32)
        plain = Population(self.name, "projected", {"projection": identity})
        nothing = np.zeros(rows.shape[1:], np.float32)
        posteriors = self.infer_many(plain, _evidence(rows, nothing, weight, target))
        mean = np.ones((users, width))
        covariance = np.zeros((users, width, width))
        mean[:, 1:] = [each.mean for each in posteriors]
        covariance[:, 1:, 1:] = [each.covariance for each in posteriors]
        return mean, covariance


@dataclass(frozen=True, slots=True)
class _Found:
    """A fitted population in the principal axes, its users ``N(0, I)``.

    Args:
        shared: ``(R,)`` what the average user prefers.
        basis: ``(R, K)`` how users differ.
        pooled: ``(R,)`` the pooled weights, for when they do not.
    """

    shared: Doubles
    basis: Doubles
    pooled: Doubles

    @property
    def projection(self) -> Doubles:
        """``(R, 1+K)``."""
        return np.column_stack([self.shared, self.basis])

    def spread(self, factor: float) -> _Found:
        """Return the population with users that differ that many times as much, or 0 times."""
        shared = self.shared if factor > 0.0 else self.pooled
        return _Found(shared, factor * self.basis, self.pooled)


def _evidence(
    rows: Doubles, nothing: FloatArray, weight: Doubles, target: Doubles
) -> list[Evidence]:
    single = [each.astype(np.float32) for each in (rows, weight, target)]
    return [
        Evidence(mine, nothing, strength, target=wanted)
        for mine, strength, wanted in zip(*single, strict=True)
    ]


def _arrays(differences: Differences, found: _Found, ridge: float) -> dict[str, FloatArray]:
    """Map the fit back to the raw features, ``D`` wide."""
    arrays = {
        "projection": differences.axes @ found.projection,
        "shared_factor": shared_factor(differences, found.shared, ridge),
        "centre": differences.centre,
        "embedding": metric_root(differences, found.projection),
    }
    return {key: np.ascontiguousarray(value, np.float32) for key, value in arrays.items()}

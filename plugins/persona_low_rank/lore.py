"""LoRe: users as points of a simplex of basis rewards."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, RewardModel, no_progress
from persona_engine.modelling import (
    Differences,
    Doubles,
    choose_ridge,
    fit_ridge,
    folds_of_users,
    principal_differences,
    require_at_least,
    require_fit,
    require_share,
    require_width,
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
from persona_low_rank.geometry import metric_root, shared_factor
from persona_low_rank.joint import sample_of
from persona_low_rank.lore_fit import BASES, CHANGES, RIDGES, Found, fit_basis
from persona_low_rank.lore_inference import infer_many, infer_one, update_one
from persona_low_rank.selection import Choice, Trial, choose, trials_of


class Lore(RewardModel):
    """A user is a mixture of a few basis rewards: a point of the simplex between them.

    ``r_u(x) = Σ_k π_k V_k·(x - c)``, ``π = softmax(ω_u)``, ``P(a ≻ b) = σ(r_u(a) - r_u(b))``. Basis
    and users are found together by maximum likelihood; a new user fits the weights only (LoRe: Bose
    et al. 2025, "LoRe: Personalizing LLMs via low-rank reward modeling", arXiv:2504.14439). Its
    temperature of 100 is absorbed by ``V``, its reference reward is the pooled one, and instead of
    a random ``V`` the fit begins at the pooled reward plus and minus the leading singular vectors
    of the user × pair matrix. Where LoRe takes 500 steps of Adam from random weights, here ``ω``
    has the Gaussian prior of the training users and its posterior is Laplace's, by Gauss–Newton, so
    that a user without answers is the population's average and every reward has a spread.

    When to use it: where people fall between a few typical tastes, and where a bounded
    personalisation is wanted: nobody's reward can leave the hull of the basis, however odd the
    answers. Where people differ in many independent ways ``pref`` and ``hierarchical`` follow them
    further.

    Args:
        bases: Number of basis rewards; None chooses 8 or 16 on held-out users.
        folds: Parts that the users are split into to choose the settings.
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
        >>> model = Lore()
        >>> population = model.fit(data, rng=rng)
        >>> high, low = np.float32([[1, 0, 0]]), np.float32([[-1, 0, 0]])
        >>> fan = model.infer(population, Evidence(high.repeat(3, 0), low.repeat(3, 0)))
        >>> bool(model.logit(population, fan, 2 * high, low).probability()[0] > 0.8)
        True
    """

    name = "lore"

    def __init__(self, *, bases: int | None = None, folds: int = 3, keep: float = 0.999) -> None:
        if bases is not None and not 2 <= bases <= 64:
            raise InvalidInputError(f"bases is {bases}, expected 2 to 64 or None")
        require_at_least(2, folds=folds)
        require_share(keep=keep)
        self._bases = BASES if bases is None else (bases,)
        self._folds = folds
        self._keep = keep

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        """Fit the basis and everybody's weights, the settings chosen on held-out users.

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
        fits = list(itertools.product(self._bases, RIDGES))
        found_in = []
        for trial in trials:
            found_in.append([fit_basis(trial.seen, trial.shared, *each) for each in fits])
            progress(self.name, len(folds) + len(found_in), total)
        choice = _choose(trials, found_in)
        (bases, ridge), (spread, stretch) = fits[choice.fit], choice.setting
        everyone = sample_of(differences, np.ones(len(data), bool))
        shared = fit_ridge(differences, differences.weight, shared_ridge)
        found = fit_basis(everyone, shared, bases, ridge).changed(shared, spread, stretch)
        progress(self.name, total, total)
        meta = {
            "bases": bases,
            "ridge": ridge,
            "spread": spread,
            "stretch": stretch,
            "shared_ridge": shared_ridge,
            "held_out_nll": choice.loss,
            "axes": len(shared),
            "users": len(data.users),
            "comparisons": len(data),
        }
        arrays = _arrays(differences, found, shared, shared_ridge)
        return Population(self.name, data.fingerprint, arrays, meta)

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        """Return the Gaussian over a user's weights on the basis after ``n >= 0`` comparisons.

        Raises:
            InvalidInputError: The features have another width than the population's.
            FingerprintMismatchError: Another reward model fitted the population.
        """
        self._check(population, evidence.chosen)
        return infer_one(population, evidence)

    def infer_many(self, population: Population, evidence: Sequence[Evidence]) -> list[Posterior]:
        """Return the posterior of many users, as `infer` gives each, in batches of equal size."""
        for each in evidence:
            self._check(population, each.chosen)
        groups: dict[int, list[int]] = defaultdict(list)
        for place, each in enumerate(evidence):
            groups[len(each)].append(place)
        result: dict[int, Posterior] = {}
        for places in groups.values():
            members = [evidence[place] for place in places]
            result.update(zip(places, infer_many(population, members), strict=True))
        return [result[place] for place in range(len(evidence))]

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        """Return the posterior after further comparisons, as `infer` on all of them gives it.

        Exact up to 512 comparisons; of more, the oldest are kept as the Gaussian that they made of
        the posterior when they were folded.
        """
        posterior.require(population)
        self._check(population, evidence.chosen)
        return update_one(population, posterior, evidence)

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
        return _project(population, posteriors, responses - population.arrays["centre"])

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
        score = _project(population, [posterior], a - b)
        return Score(score.mean[0], score.std[0])

    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        """Return ``(K,)`` coordinates that make a cosine a correlation.

        The cosine of two users is that of their logits over the population's comparisons.
        """
        posterior.require(population)
        embedding: FloatArray = population.arrays["embedding"] @ posterior.mean
        return embedding

    def _check(self, population: Population, features: FloatArray) -> None:
        require_fit(population, self.name)
        require_width(features, len(population.arrays["basis"]))


def _choose(
    trials: Sequence[Trial], found: Sequence[Sequence[Found]]
) -> Choice[tuple[float, float]]:
    """Return the settings of least loss; the pooled reward where nobody could be held out."""
    if not trials:
        return Choice(0, (1.0, 0.0), 0.0)

    def loss(number: int, each: Found, change: tuple[float, float]) -> float:
        changed = each.changed(trials[number].shared, *change)
        return trials[number].unseen.loss(changed.basis, changed.belief())

    return choose(found, CHANGES, loss)


def _arrays(
    differences: Differences, found: Found, shared: Doubles, ridge: float
) -> dict[str, FloatArray]:
    """Map the fit back to the raw features, ``D`` wide."""
    arrays = {
        "basis": differences.axes @ found.basis,
        "prior_mean": found.mean,
        "prior_precision": np.linalg.inv(found.covariance),
        "weights_root": found.root(),
        "shared_factor": shared_factor(differences, shared, ridge),
        "centre": differences.centre,
        "embedding": metric_root(differences, found.basis),
    }
    return {key: np.ascontiguousarray(value, np.float32) for key, value in arrays.items()}


def _project(
    population: Population, posteriors: Sequence[Posterior], features: FloatArray
) -> Score:
    """Return rewards ``(U, B)`` of centred or differenced features ``(B, D)``."""
    projected = features @ population.arrays["basis"]  # (B, K)
    shared = features @ population.arrays["shared_factor"]  # (B, R)
    users, bases = len(posteriors), projected.shape[1]
    mean = np.array([each.mean for each in posteriors], np.float32).reshape(users, bases)
    covariance = np.array([each.covariance for each in posteriors], np.float32)
    turned = projected @ covariance.reshape(users, bases, bases)
    personal = np.einsum("ubk,bk->ub", turned, projected)
    variance = np.maximum(personal, 0.0) + np.einsum("br,br->b", shared, shared)
    return Score(mean @ projected.T, np.sqrt(variance))

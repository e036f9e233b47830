"""The reward model of named attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from persona_attributes.gate import attention
from persona_attributes.training import fit_population
from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, no_progress
from persona_engine.modelling import (
    LinearLatentModel,
    require_at_least,
    require_fit,
    require_share,
    require_width,
)
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


class Attributes(LinearLatentModel):
    """A user is a direction over named attributes: ``r_u(x | p) = Σ_k g_k(p) v_uk a_k·(x - c)``.

    ``a_k`` is the head of attribute ``k``, fitted by ridge regression on labelled pairs that differ
    in it (the question bank's styles and the host's own), so that its poles differ by 1; ``a_0`` is
    the reward that all users share. Tastes are ``v_u ~ N(m, S)``, with ``m`` and ``S`` by
    expectation maximisation on the population, and a user's posterior is Gaussian. ``g(p)`` is
    attention over attributes by prompt, 1 on average, where prompt features are given and held-out
    users gain by it. Attribute heads with a prompt gate follow ArmoRM (Wang et al. 2024,
    arXiv:2406.12845), a user as a direction over them DPA (Wang et al. 2024, arXiv:2402.18571),
    attention PrefPalette (Li et al. 2025, arXiv:2507.13541); here with uncertainty.

    When to use it: where what is learned of a person must be said in words, or set by hand before
    anything is learned. ``hierarchical`` finds its own directions and predicts better where people
    differ in ways that nobody named. Without labelled pairs the attributes are the leading
    directions of the comparisons, which have no names.

    Args:
        unnamed: Most directions to use without labelled pairs.
        folds: Parts that the users are split into to choose the spread of tastes.
        keep: Share of the differences' second moment that the principal axes must hold.

    Raises:
        InvalidInputError: A setting is out of range.

    Examples:
        >>> from persona_engine.types import AttributePairs
        >>> rng = np.random.default_rng(0)
        >>> user = np.repeat(np.arange(60), 10)
        >>> a, b = rng.normal(size=(2, 600, 3)).astype(np.float32)
        >>> likes = np.where(user % 2 == 0, 3.0, -3.0)  # half like the first feature, half dislike
        >>> first = (likes * (a - b)[:, 0] > 0)[:, None]
        >>> loud = AttributePairs("loud", np.eye(3, dtype=np.float32)[:1] + a[:8], a[:8])
        >>> data = PreferenceData(
        ...     np.where(first, a, b), np.where(first, b, a), user, "example", attributes=(loud,)
        ... )
        >>> model = Attributes()
        >>> population = model.fit(data, rng=rng)
        >>> high, low = np.float32([[1, 0, 0]]), np.float32([[-1, 0, 0]])
        >>> fan = model.infer(population, Evidence(high.repeat(3, 0), low.repeat(3, 0)))
        >>> bool(model.logit(population, fan, 2 * high, low).probability()[0] > 0.8)
        True
    """

    name = "attributes"
    reads = frozenset({"attributes", "prompt"})

    def __init__(self, *, unnamed: int = 16, folds: int = 3, keep: float = 0.999) -> None:
        if not 1 <= unnamed <= 64:
            raise InvalidInputError(f"unnamed is {unnamed}, expected 1 to 64")
        require_at_least(2, folds=folds)
        require_share(keep=keep)
        self._unnamed = unnamed
        self._folds = folds
        self._keep = keep

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        """Fit the heads on the labelled pairs, and the users' prior and attention on comparisons.

        Args:
            data: Comparisons ``(N, D)`` of ``U`` users, with labelled pairs of attributes.
            rng: Draws the folds.
            progress: Told after each fold.

        Raises:
            InvalidInputError: No comparison has weight, or no two responses differ.
        """
        return fit_population(
            data,
            name=self.name,
            folds=self._folds,
            unnamed=self._unnamed,
            keep=self._keep,
            solve=partial(LinearLatentModel.infer_many, self),
            rng=rng,
            progress=progress,
        )

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        """Return the Gaussian over tastes after ``n >= 0`` comparisons; their order is no matter.

        Raises:
            InvalidInputError: The features have another width than the population's.
            FingerprintMismatchError: Another reward model fitted the population.
        """
        return super().infer(population, self._read(population, evidence))

    def infer_many(self, population: Population, evidence: Sequence[Evidence]) -> list[Posterior]:
        """Return the posterior of many users, as `infer` gives each."""
        return super().infer_many(population, [self._read(population, each) for each in evidence])

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        """Return the posterior after further comparisons, as `infer` on all of them gives it."""
        return super().update(population, posterior, self._read(population, evidence))

    def log_likelihoods_since(
        self, population: Population, evidence: Evidence, starts: IntArray
    ) -> FloatArray:
        """Return ``log P(answer t | answers s … t-1)`` for each start ``s``, ``(C, n)``."""
        read = self._read(population, evidence)
        return super().log_likelihoods_since(population, read, starts)

    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the rewards of responses ``(B, D)`` for ``U`` users, ``(U, B)``.

        Without a prompt every attribute counts as it does on average.
        """
        return super().score(population, posteriors, _values(population, responses, context))

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
        first, second = (_values(population, each, context) for each in (a, b))
        return super().logit(population, posterior, first, second)

    def _read(self, population: Population, evidence: Evidence) -> Evidence:
        """Return comparisons in attribute space."""
        require_fit(population, self.name)
        require_width(evidence.chosen, len(population.arrays["heads"]))
        width = 1 + len(population.meta["attributes"])
        values = np.zeros((len(evidence), len(population.arrays["projection"])), np.float32)
        difference = evidence.chosen - evidence.rejected
        values[:, :width] = difference @ population.arrays["heads"][:, :width]
        gate = attention(population.arrays, evidence.prompt, len(evidence))
        if gate is not None:
            values[:, :width] *= gate
        return replace(evidence, chosen=values, rejected=np.zeros_like(values))


def _values(population: Population, responses: FloatArray, context: Context | None) -> FloatArray:
    """Return responses ``(B, D)`` in attribute space, as they count for the prompt."""
    require_fit(population, Attributes.name)
    require_width(responses, len(population.arrays["heads"]))
    values: FloatArray = (responses - population.arrays["origin"]) @ population.arrays["heads"]
    prompt = None if context is None else context.prompt
    gate = attention(population.arrays, prompt, len(responses))
    if gate is not None:
        values[:, : gate.shape[1]] *= gate
    return values

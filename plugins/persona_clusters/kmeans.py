"""The clusterer ``kmeans``."""

from __future__ import annotations

from typing import Any

import numpy as np

from persona_clusters.clusterer import ClustererOfLikelihoods
from persona_clusters.components import Components
from persona_clusters.expectation import Regular, begin_at, fit_from
from persona_clusters.told import Doubles, Told
from persona_engine.errors import InvalidInputError
from persona_engine.modelling import k_means_of_many, require_at_least

_ONE_SHAPE = Regular(strength=1e9)
_SOFT_ROUNDS = 5


class KMeans(ClustererOfLikelihoods):
    """K-means over the users' posterior means, by FAISS where it is installed.

    A user weighs as much as is known about them (the share of the prior's variance that is gone),
    so that people of whom little is known do not draw centres to the prior's mean. From there a few
    rounds of EM on a sample find shares and the one covariance that all groups have, as what users
    said is known (Bovy, Hogg & Roweis 2011, arXiv:0905.2979). Membership is
    ``P(c | u) ∝ π_c Z_uc^τ``: a Gaussian seen through what the user said, tempered by ``τ < 1``
    because one shape fits no group exactly. k-means: Lloyd 1982; FAISS: Douze et al. 2024,
    arXiv:2401.08281.

    When to use it: for millions of users. ``gaussian_mixture`` fits each group's shape, and is the
    better choice where it is fast enough.

    Args:
        temper: ``τ``, 0 to 1.
        sample_of_shape: Users at most by whom shares and shape are found, drawn at random.
        **settings: As `ClustererOfLikelihoods` has them.

    Raises:
        InvalidInputError: A setting is out of range.
    """

    name = "kmeans"

    def __init__(
        self,
        *,
        temper: float = 0.8,
        sample_of_shape: int = 5_000,
        **settings: Any,  # noqa: ANN401  # the base class names and checks them
    ) -> None:
        super().__init__(**settings)
        if not 0.0 < temper <= 1.0:
            raise InvalidInputError(f"temper is {temper!r}, expected more than 0 and at most 1")
        require_at_least(100, sample_of_shape=sample_of_shape)
        self.temper = temper
        self._sample_of_shape = sample_of_shape

    def fit_size(
        self, told: Told, size: int, neutral: np.ndarray, rng: np.random.Generator
    ) -> Components:
        """Return ``size`` groups of these users."""
        some = told
        if len(told) > self._sample_of_shape:
            some = told.take(np.sort(rng.choice(len(told), self._sample_of_shape, replace=False)))
        found = []
        for spare in (0, 1):
            centres = self._centres(told, size + spare, rng)
            start = begin_at(centres, size, neutral)
            found.append(fit_from(some, [start], rounds=_SOFT_ROUNDS, regular=_ONE_SHAPE))
        return max(found, key=lambda each: each[1])[0]

    def _centres(self, told: Told, size: int, rng: np.random.Generator) -> Doubles:
        """Return ``(size, d)`` centres of all users, freed of the prior's pull."""
        weight = np.maximum(told.information, 1e-3)
        seed = int(rng.integers(2**31))
        centres = k_means_of_many(told.place, min(size, len(told)), weight=weight, seed=seed)
        if len(centres) < size:
            extra = rng.normal(size=(size - len(centres), centres.shape[1]))
            centres = np.concatenate([centres, extra])
        return centres

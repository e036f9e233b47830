"""The clusterer ``gaussian_mixture``."""

from __future__ import annotations

from typing import Any

import numpy as np

from persona_clusters.clusterer import ClustererOfLikelihoods
from persona_clusters.components import Components
from persona_clusters.expectation import fit_groups
from persona_clusters.told import Told
from persona_engine.modelling import require_at_least


class GaussianMixture(ClustererOfLikelihoods):
    """A Gaussian mixture over where users truly stand, each seen through what they said.

    Of a posterior ``N(m_u, S_u)`` under the population's prior ``N(0, I)`` the user's own words are
    the likelihood ``exp(η_uᵀy - ½ yᵀΛ_u y)``, ``Λ_u = S_u⁻¹ - I``, ``η_u = S_u⁻¹ m_u``. EM
    maximises

        ``Σ_u log Σ_c π_c ∫ N(y; μ_c, V_c) exp(η_uᵀy - ½ yᵀΛ_u y) dy``

    (extreme deconvolution: Bovy, Hogg & Roweis 2011, arXiv:0905.2979). Beside the groups stands a
    unimodal scale mixture around the indifferent person, who finds all replies alike (shape as in
    Stephens 2017, "False discovery rates: a new deal"): people of no group go there, and their
    membership is spread by the groups' shares. Covariances are shrunk towards what the groups have
    in common. The number of groups is the smallest whose likelihood of held-out users is within two
    standard errors of the best.

    When to use it: the default, up to some hundred thousand users. ``kmeans`` takes millions, with
    one shape for all groups.

    Args:
        starts: Runs from k-means for each number of groups.
        rounds: Rounds of EM at most.
        most_users: Users at most that the groups are fitted to, drawn at random.
        **settings: As `ClustererOfLikelihoods` has them.

    Raises:
        InvalidInputError: A setting is out of range.

    Examples:
        >>> from persona_engine.types import Beliefs
        >>> rng = np.random.default_rng(0)
        >>> taste = np.where(np.arange(60) % 2, 1.5, -1.5)[:, None] * np.float32([[1, 0]])
        >>> place = (taste + 0.3 * rng.normal(size=(60, 2))).astype(np.float32)
        >>> spread = np.tile(0.1 * np.eye(2, dtype=np.float32), (60, 1, 1))
        >>> people = Beliefs(tuple(f"u{n:02}" for n in range(60)), place, spread, np.full(60, 20))
        >>> model = GaussianMixture()
        >>> clustering = model.fit(people, population="example", rng=rng)
        >>> clustering.names
        ('group-1', 'group-2')
        >>> belongs = model.membership(clustering, people)
        >>> bool((belongs.max(1) > 0.9).all())
        True
    """

    name = "gaussian_mixture"

    def __init__(
        self,
        *,
        starts: int = 6,
        rounds: int = 60,
        most_users: int = 20_000,
        **settings: Any,  # noqa: ANN401  # the base class names and checks them
    ) -> None:
        super().__init__(**settings)
        require_at_least(1, starts=starts, rounds=rounds)
        require_at_least(100, most_users=most_users)
        self._starts = starts
        self._rounds = rounds
        self._most_users = most_users

    def fit_size(
        self, told: Told, size: int, neutral: np.ndarray, rng: np.random.Generator
    ) -> Components:
        """Return ``size`` groups of these users."""
        if len(told) > self._most_users:
            told = told.take(np.sort(rng.choice(len(told), self._most_users, replace=False)))
        return fit_groups(told, size, neutral, starts=self._starts, rounds=self._rounds, rng=rng)

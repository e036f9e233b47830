"""Finds a tenant's clusters, names them, stores them and puts them to use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from persona_engine.adapters.beliefs import beliefs_on, read_beliefs
from persona_engine.adapters.cluster_picture import draw_clusters
from persona_engine.adapters.cluster_report import (
    ClusterReport,
    TastesOf,
    summaries,
    tastes_of_clusters,
)
from persona_engine.adapters.naming import inherited, new_name
from persona_engine.attributes import tastes_of
from persona_engine.belief import Belief
from persona_engine.errors import InvalidInputError, MissingExtraError, PersonaError
from persona_engine.evaluation.pictures import REMEDY
from persona_engine.features import Text
from persona_engine.interfaces import Clusterer, Progress, no_progress
from persona_engine.learning import Learner
from persona_engine.onboarding import Attribute
from persona_engine.types import Beliefs, Clustering, FloatArray, Population, Scope, Taste

logger = logging.getLogger("persona_engine.adapters")


@dataclass(frozen=True, slots=True)
class Clusters:
    """Finds and tells the clusters of tenants.

    Args:
        learner: Knows what users prefer.
        clusterer: Makes a clusterer by its plugin's name.
        attributes: What clusters are told in.
        confidence: Membership from which a user is routed to a cluster's adapter.
    """

    learner: Learner
    clusterer: Callable[[str], Clusterer]
    attributes: Sequence[Attribute]
    confidence: float

    def find(
        self,
        tenant: str,
        *,
        clusterer: str,
        seed: int,
        plot: Path | None = None,
        progress: Progress = no_progress,
    ) -> ClusterReport:
        """Find the clusters of a tenant's users and put them to use.

        A cluster that continues one of the clustering in use keeps its name. Nothing is stored
        before everything else is done.

        Args:
            tenant: Whose users.
            clusterer: Plugin that finds them.
            seed: Decides everything.
            plot: PNG to draw users and clusters to.
            progress: Told of reading and fitting.

        Raises:
            NoPopulationError: There is no population to place users in.
            InvalidInputError: There are too few users or comparisons.
            MissingExtraError: A plot was asked for and Matplotlib is not installed.
        """
        if plot is not None:
            _require_matplotlib()
        finder = self.clusterer(clusterer)
        beliefs = read_beliefs(self.learner, tenant, seed=seed, progress=progress)
        population = self.learner.population(tenant)
        if population is None or not len(beliefs):
            raise InvalidInputError(
                f"tenant {tenant!r} has no comparisons, expected those of some dozens of users",
                remedy="collect or import some (`persona import FILE.jsonl`)",
            )
        fitted = finder.fit(
            beliefs,
            population=population.version,
            rng=np.random.default_rng(seed),
            progress=progress,
        )
        membership = finder.membership(fitted, beliefs)
        tastes = tastes_of_clusters(beliefs, membership, self._teller(tenant, population))
        clustering, kept = self._named(tenant, fitted, beliefs, membership, tastes)
        if plot is not None:
            draw_clusters(plot, beliefs, membership, clustering.names)
        told = summaries(
            clustering, beliefs, membership, tastes, kept=kept, confidence=self.confidence
        )
        rows = self.learner.store.tenant(tenant)
        rows.save_clustering(
            clustering,
            users=beliefs.users,
            sizes=[each.size for each in told],
            about=[each.told() for each in told],
        )
        rows.publish_clustering(clustering.version)
        return next(each for each in self.all(tenant) if each.version == clustering.version)

    def all(self, tenant: str) -> tuple[ClusterReport, ...]:
        """Return the report of every clustering of a tenant, oldest first."""
        return tuple(map(ClusterReport.stored, self.learner.store.tenant(tenant).clusterings()))

    def in_use(self, tenant: str) -> ClusterReport | None:
        """Return the report of the clustering in use, or None."""
        return next((each for each in self.all(tenant) if each.published), None)

    def of_user(self, scope: Scope, belief: Belief | None) -> dict[str, float]:
        """Return P(user belongs to cluster) by its name, likeliest first.

        Empty where there are no clusters, or these stand on another population than the belief.
        """
        if belief is None:
            return {}
        rows = self.learner.store.tenant(scope.tenant)
        clustering = rows.published_clustering(belief.population.version)
        if clustering is None:
            return {}
        posterior = belief.posterior
        alone = Beliefs(
            (scope.user,),
            posterior.mean[None],
            posterior.covariance[None],
            np.array([posterior.count], np.int64),
        )
        found = self._membership(clustering, alone)[0]
        order = np.argsort(-found, kind="stable").tolist()
        return {clustering.names[place]: float(found[place]) for place in order}

    def _teller(self, tenant: str, population: Population) -> TastesOf:
        """Return what tells a user's tastes in the attributes whose pairs are encoded already."""

        @cache
        def find(texts: tuple[Text, ...]) -> FloatArray | None:
            return self.learner.features.find(tenant, texts)

        def tell(user: str) -> tuple[Taste, ...]:
            posterior = self.learner.posterior(Scope(tenant, user), population)
            belief = Belief(self.learner.model, population, posterior)
            return tastes_of(belief, self.attributes, lambda texts: find(tuple(texts)))

        return tell

    def _named(
        self,
        tenant: str,
        fitted: Clustering,
        beliefs: Beliefs,
        membership: FloatArray,
        tastes: Sequence[Sequence[Taste]],
    ) -> tuple[Clustering, list[bool]]:
        """Return the clustering with lasting names, and which of these were there before."""
        rows = self.learner.store.tenant(tenant)
        taken = {each.name for row in rows.clusterings() for each in row.clusters}
        before = self._before(tenant, beliefs)
        names: dict[int, str] = {}
        if before is not None:
            old, theirs, common = before
            pairs = inherited(theirs, membership[:common])
            names = {mine: old.names[place] for mine, place in pairs.items()}
        kept = [place in names for place in range(len(fitted.names))]
        for place in range(len(fitted.names)):
            if place not in names:
                names[place] = new_name(tastes[place], taken | set(names.values()))
        ordered = tuple(names[place] for place in range(len(fitted.names)))
        return replace(fitted, names=ordered), kept

    def _before(self, tenant: str, beliefs: Beliefs) -> tuple[Clustering, FloatArray, int] | None:
        """Return the clustering in use, memberships in it, and of how many users, the first ones.

        None where there is no clustering, or nobody can be placed in it any more.
        """
        rows = self.learner.store.tenant(tenant)
        try:
            old = rows.published_clustering()
            if old is None:
                return None
            then = beliefs_on(self.learner, tenant, old.population, beliefs)
            return None if then is None else (old, self._membership(old, then), len(then))
        except PersonaError as error:
            logger.warning("clusters of tenant %r get new names: %s", tenant, error)
            return None

    def _membership(self, clustering: Clustering, beliefs: Beliefs) -> FloatArray:
        return self.clusterer(clustering.clusterer).membership(clustering, beliefs)


def _require_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("pictures need matplotlib", remedy=REMEDY) from error

"""What an engine does with groups of users: finds them, trains adapters for them, keeps these."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from persona_engine.adapter_training import Training, train_for
from persona_engine.adapters.cluster_report import ClusterReport
from persona_engine.adapters.plan import AdapterPlan
from persona_engine.adapters.registry import AdapterRegistry
from persona_engine.adapters.training_report import AdapterReport
from persona_engine.adapters.user_map import MOST_PLACED, UserMap, map_of_users
from persona_engine.interfaces import Progress, no_progress
from persona_engine.runtime import Runtime
from persona_engine.user import check_seed


class GroupsOfUsers:
    """The part of `persona_engine.engine.PersonaEngine` that is about groups of users."""

    _runtime: Runtime

    def cluster(
        self,
        *,
        tenant: str = "default",
        clusterer: str | None = None,
        plot: Path | None = None,
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> ClusterReport:
        """Find groups of a tenant's users with shared taste, and put them to use.

        A group that continues one of those in use keeps its name; another is called by what sets
        it apart.

        Args:
            tenant: Whose users.
            clusterer: Plugin that finds them; the configured one if omitted.
            plot: PNG to draw users and clusters to.
            seed: Decides everything.
            progress: Told of reading and fitting.

        Raises:
            NoPopulationError: There is no population to place users in.
            InvalidInputError: There are too few users or comparisons, or ``seed`` is below 0.
            PluginError: There is no such clusterer.
            MissingExtraError: A plot was asked for and Matplotlib is not installed.
        """
        check_seed(seed)
        name = self._runtime.config.clusterer if clusterer is None else clusterer
        return self._runtime.clusters.find(
            tenant, clusterer=name, seed=seed, plot=plot, progress=progress
        )

    def clusters(self, *, tenant: str = "default") -> ClusterReport | None:
        """Return what is told of a tenant's clusters in use, or None without any."""
        return self._runtime.clusters.in_use(tenant)

    def map_users(
        self,
        *,
        tenant: str = "default",
        most: int = MOST_PLACED,
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> UserMap:
        """Return a tenant's users on a plane, by what they are believed to like.

        Args:
            tenant: Whose users.
            most: Most to place; of more the seed draws some.
            seed: Draws them.
            progress: Told of users, whose posteriors are built where they are missing.

        Raises:
            NoPopulationError: There is no population to place users in.
            InvalidInputError: ``most`` is below 1, or ``seed`` below 0.
        """
        check_seed(seed)
        runtime = self._runtime
        return map_of_users(
            runtime.learner, runtime.clusterer, tenant, most=most, seed=seed, progress=progress
        )

    def train_adapters(
        self,
        *,
        tenant: str = "default",
        cluster: str | None = None,
        loss: str = "tangent",
        settings: Mapping[str, Any] = MappingProxyType({}),
        plan: AdapterPlan | None = None,
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[AdapterReport, ...]:
        """Train an adapter for each cluster, judge it, and publish it when it beats the base model.

        What was finished before with the same data and settings is not done again, and what was
        broken off, even by SIGKILL, goes on where it stood.

        Args:
            tenant: Whose clusters.
            cluster: Which; all of those in use if omitted.
            loss: Plugin that trains: ``tangent``, which suits up to some hundreds of pairs, or one
                that takes gradient steps, such as ``dpo``, ``ipo``, ``robust_dpo`` or ``kto``.
            settings: Of the plugin, such as ``{"margin": 40.0}``.
            plan: Who is held out, what is trained on, and what must be reached.
            seed: Decides everything.
            progress: Told of training and judging.

        Raises:
            NotFoundError: There are no clusters, or none of that name.
            InvalidInputError: Too few users are held out to judge by, or ``seed`` is below 0.
            PluginError: There is no such loss.
            MissingExtraError: The extra ``training`` is not installed.
        """
        check_seed(seed)
        training = Training(loss, settings, AdapterPlan() if plan is None else plan, seed)
        return train_for(self._runtime, tenant, cluster, training, progress=progress)

    def adapters(self, *, tenant: str = "default") -> AdapterRegistry:
        """Return a tenant's registry of adapters: list, publish, roll back, delete, export.

        What it publishes is served at once by this engine, and by others within a second or so
        (``population_refresh_seconds``).

        Raises:
            ScopeError: The tenant is not a name of 1 to 256 characters.
        """
        return self._runtime.adapters.registry(tenant)

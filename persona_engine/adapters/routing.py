"""Which adapter serves a user: that of the cluster they surely belong to, or none."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from persona_engine.belief import Belief
from persona_engine.errors import ArtefactError, InvalidInputError, PluginError, WeightsError
from persona_engine.interfaces import Clusterer
from persona_engine.store import Store
from persona_engine.types import Beliefs, Clustering, FloatArray

logger = logging.getLogger("persona_engine.adapters")

LEAST_WEIGHT = 0.01
"""Least membership at which a cluster's adapter is worth a row of the batch."""


@dataclass(frozen=True, slots=True)
class Route:
    """Which adapter serves a user, and why.

    Args:
        adapter: Its version, or None for the base model.
        cluster: The user's likeliest cluster, or None where that was not asked.
        probability: That they belong to it.
        reason: In words.
        weights: P(user belongs to cluster), by the version of its adapter, for clusters that have
            one and in which membership is at least `LEAST_WEIGHT`.
        silent: Whether this is not worth telling, since the tenant has no adapters in use.
    """

    adapter: str | None
    cluster: str | None
    probability: float | None
    reason: str
    weights: Mapping[str, float] = field(default_factory=dict)
    silent: bool = False


UNROUTED = Route(None, None, None, "nobody was routed", silent=True)
"""Where nothing personal is wanted."""


def asked_for(version: str) -> Route:
    """Return the way to an adapter that the host names, whoever the user is."""
    return Route(version, None, None, "it was asked for", {version: 1.0})


@dataclass(frozen=True, slots=True)
class _InUse:
    """What a tenant has published."""

    clustering: Clustering
    clusterer: Clusterer
    adapters: Mapping[str, str]  # version by cluster
    base: str


class Router:
    """Routes users to adapters by what is believed about them; nothing of it is stored.

    Args:
        store: Where clusterings and adapters are.
        clusterer: Makes a clusterer by its plugin's name.
        base: Returns the hash of the model that adapters must be for.
        confidence: Least membership at which a user is served by a cluster's adapter.
        refresh_seconds: How long what is published may be remembered.
    """

    def __init__(
        self,
        store: Store,
        *,
        clusterer: Callable[[str], Clusterer],
        base: Callable[[], str],
        confidence: float,
        refresh_seconds: float,
    ) -> None:
        self._store = store
        self._clusterer = clusterer
        self._base = base
        self._confidence = confidence
        self._refresh_seconds = refresh_seconds
        self._held: dict[str, tuple[float, _InUse | None]] = {}
        self._guard = threading.Lock()

    def route(self, tenant: str, belief: Callable[[], Belief | None]) -> Route:
        """Return a user's adapter, or why they have none.

        Args:
            tenant: Of the user.
            belief: Returns what is believed about them now; asked only where adapters are in use.

        What cannot be used, such as a damaged clustering, makes no reply fail: the reason says so.
        """
        try:
            return self._found(tenant, belief)
        except (ArtefactError, InvalidInputError, PluginError, WeightsError) as error:
            logger.warning("adapters of tenant %r are not used: %s", tenant, error)
            return Route(None, None, None, error.message)

    def forget(self, tenant: str) -> None:
        """Look at what is published anew when it is next asked for."""
        with self._guard:
            self._held.pop(tenant, None)

    def _found(self, tenant: str, belief: Callable[[], Belief | None]) -> Route:
        used = self._in_use(tenant)
        if used is None:
            return Route(None, None, None, "no adapter is published", silent=True)
        known = belief()
        if known is None or not known.informed:
            return Route(None, None, None, "nothing is known of this user")
        clustering, population = used.clustering, known.posterior.population
        rows = self._store.tenant(tenant)
        if not rows.akin(population, clustering.population):
            reason = (
                f"clustering {clustering.version} stands on population {clustering.population}, "
                f"the user's posterior on {population}"
            )
            return Route(None, None, None, reason)
        return self._placed(used, _membership(used, known))

    def _placed(self, used: _InUse, membership: FloatArray) -> Route:
        """Return the route of a user by their membership ``(K,)``."""
        names = used.clustering.names
        place = int(membership.argmax())
        cluster, probability = names[place], float(membership[place])
        weights = {
            used.adapters[name]: float(share)
            for name, share in zip(names, membership, strict=True)
            if name in used.adapters and share >= LEAST_WEIGHT
        }
        adapter = used.adapters.get(cluster)
        told = f"of cluster {cluster!r} with probability {probability:.2f}"
        if probability < self._confidence:
            reason, adapter = f"{told}, below {self._confidence:g}", None
        elif adapter is None:
            reason = f"{told}, which has no published adapter for base {used.base}"
        else:
            reason = told
        return Route(adapter, cluster, probability, reason, weights)

    def _in_use(self, tenant: str) -> _InUse | None:
        with self._guard:
            held = self._held.get(tenant)
        if held is not None and time.monotonic() - held[0] < self._refresh_seconds:
            return held[1]
        used = self._current(tenant, None if held is None else held[1])
        with self._guard:
            self._held[tenant] = (time.monotonic(), used)
        return used

    def _current(self, tenant: str, held: _InUse | None) -> _InUse | None:
        rows = self._store.tenant(tenant)
        place = rows.published_clustering_version()
        if place is None:
            return None
        base = self._base()
        adapters = {row.cluster: row.version for row in rows.published_adapters(base)}
        if not adapters:
            return None
        if held is not None and held.clustering.version == place[0]:
            return _InUse(held.clustering, held.clusterer, adapters, base)
        clustering = rows.clustering(place[0])
        return _InUse(clustering, self._clusterer(clustering.clusterer), adapters, base)


def _membership(used: _InUse, belief: Belief) -> FloatArray:
    """Return P(user belongs to cluster), ``(K,)``."""
    posterior = belief.posterior
    alone = Beliefs(
        ("",),
        posterior.mean[None],
        posterior.covariance[None],
        np.array([posterior.count], np.int64),
    )
    found: FloatArray = used.clusterer.membership(used.clustering, alone)[0]
    return found

"""Which population each tenant uses, remembered for a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from persona_engine.store import Store
from persona_engine.types import Population


class Populations:
    """The populations in use.

    Args:
        store: Where they are.
        reward_model: Plugin that they are of.
        fingerprint: Returns the feature space that they read.
        shipped: Returns the population that comes with the package, or None; used by tenants that
            have published none.
        refresh_seconds: How long one may be remembered.
    """

    def __init__(
        self,
        store: Store,
        reward_model: str,
        *,
        fingerprint: Callable[[], str],
        shipped: Callable[[], Population | None],
        refresh_seconds: float,
    ) -> None:
        self._store = store
        self._reward_model = reward_model
        self._fingerprint = fingerprint
        self._shipped = shipped
        self._refresh_seconds = refresh_seconds
        self._held: dict[str, tuple[float, Population]] = {}
        self._guard = threading.Lock()

    def current(self, tenant: str) -> Population | None:
        """Return the population in use, or None when none was ever published or shipped.

        Raises:
            ArtefactError: Its bytes are damaged.
        """
        with self._guard:
            held = self._held.get(tenant)
        if held is not None and time.monotonic() - held[0] < self._refresh_seconds:
            return held[1]
        population = self._read(tenant, None if held is None else held[1])
        if population is not None:
            with self._guard:
                self._held[tenant] = (time.monotonic(), population)
        return population

    def publish(
        self,
        tenant: str,
        population: Population,
        *,
        users: Sequence[str],
        shares: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Store a population with the users that it learned from, and put it to use."""
        rows = self._store.tenant(tenant)
        rows.save_population(population, users=users, shares=shares)
        rows.publish(population.version)
        self._store.flush_log()  # a row a user, of all who took part
        self.look_again(tenant)

    def look_again(self, tenant: str) -> None:
        """Ask the store at the next use which population is in use."""
        with self._guard:
            self._held.pop(tenant, None)

    def _read(self, tenant: str, held: Population | None) -> Population | None:
        rows = self._store.tenant(tenant)
        version = rows.published_version(self._reward_model, self._fingerprint())
        if version is None:
            population = self._shipped()
            if population is not None:
                rows.save_population(population, users=())
                rows.publish(population.version)
            return population
        if held is not None and held.version == version:
            return held
        return rows.population(version)

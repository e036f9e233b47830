"""What the store holds of a tenant's populations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from persona_engine.store import corrections, events, populations, stale
from persona_engine.store.clock import Clock, to_micros
from persona_engine.store.database import Database
from persona_engine.store.records import PopulationRow
from persona_engine.store.redacted import Redact, as_it_is
from persona_engine.types import Population


class TenantPopulations:
    """The part of `persona_engine.store.TenantStore` that is about populations."""

    def __init__(
        self, database: Database, tenant: str, clock: Clock, redact: Redact = as_it_is
    ) -> None:
        self.tenant = tenant
        self._database = database
        self._clock = clock
        self._redact = redact

    def save_population(
        self,
        population: Population,
        *,
        users: Sequence[str],
        shares: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Store a population with the users of this tenant that it learned from.

        Saving the same version again replaces its users and takes away its mark for refitting.
        A user who is unknown was forgotten while it was fitted: the name is not stored, and the
        population is marked for refitting at once.

        Args:
            population: It.
            users: Whom it learned from.
            shares: What the comparisons of some of them counted in its fit, as a share of what they
                count for themselves; 1 for the others.

        Raises:
            InvalidInputError: ``meta`` is not JSON, or an array not numeric.
        """
        populations.save(
            self._database,
            self.tenant,
            population,
            users=users,
            shares=shares,
            now=to_micros(self._clock()),
        )

    def publish(self, version: str) -> None:
        """Put a stored population to use for its reward model and feature space.

        Raises:
            NotFoundError: The tenant has none of that version.
        """
        populations.publish(self._database, self.tenant, version)

    def population(self, version: str) -> Population:
        """Return a stored population.

        Raises:
            NotFoundError: The tenant has none of that version.
            ArtefactError: Its bytes are damaged.
        """
        return populations.load(self._database, self.tenant, version)

    def published(self, reward_model: str, fingerprint: str) -> Population | None:
        """Return the population in use, or None.

        Raises:
            ArtefactError: Its bytes are damaged.
        """
        return populations.published(self._database, self.tenant, reward_model, fingerprint)

    def published_version(self, reward_model: str, fingerprint: str) -> str | None:
        """Return the version of the population in use, or None, without reading its state."""
        return populations.published_version(self._database, self.tenant, reward_model, fingerprint)

    def populations(self) -> tuple[PopulationRow, ...]:
        """Return every population without its state, oldest first."""
        return populations.rows(self._database, self.tenant)

    def newest_comparison(self) -> datetime | None:
        """Return when the tenant's latest comparison was made, or None without any."""
        return events.newest(self._database, self.tenant)

    def akin(self, one: str, other: str) -> bool:
        """Return whether two versions are one population, before or after users were taken out.

        Their latent spaces are the same to first order: what stands on one can be read in another.
        """
        return one == other or len({self._fitted(each) for each in (one, other)}) == 1

    def _fitted(self, version: str) -> str:
        return corrections.lineage(self._database, self.tenant, version)

    def withdraw_population(self, version: str) -> None:
        """Take a population out of use and empty it; only its row stays.

        Raises:
            NotFoundError: The tenant has none of that version.
        """
        populations.withdraw(self._database, self.tenant, version)

    def drop_stale(self) -> tuple[str, ...]:
        """Delete stale populations and clusterings that are not in use, with their posteriors.

        Returns:
            Their versions.
        """
        return stale.drop(self._database, self.tenant)

"""What the store holds about all users of one tenant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from persona_engine.store import audit, embeddings, events, instructions, populations, posteriors
from persona_engine.store.clock import Clock, to_micros
from persona_engine.store.database import Database
from persona_engine.store.records import AuditEvent, PopulationRow
from persona_engine.store.users import iter_users
from persona_engine.types import Comparison, FloatArray, Instruction, Population, Posterior

_BATCH = 10_000
_BATCH_OF_BYTES = 1_000


class TenantStore:
    """One tenant's rows; made by `Store.tenant`, which checks the name.

    Iterators read in batches and hold no transaction between them: what is written meanwhile may
    or may not be seen.
    """

    def __init__(self, database: Database, tenant: str, clock: Clock) -> None:
        self.tenant = tenant
        self._database = database
        self._clock = clock

    def users(self) -> tuple[str, ...]:
        """Return every user, sorted."""
        return tuple(self.iter_users())

    def iter_users(self, *, batch: int = _BATCH) -> Iterator[str]:
        """Yield every user, sorted."""
        return iter_users(self._database, self.tenant, batch=batch)

    def iter_comparisons(self, *, batch: int = _BATCH) -> Iterator[tuple[str, Comparison]]:
        """Yield every user's comparisons: sorted by user, then oldest first."""
        return events.iter_comparisons(self._database, self.tenant, batch=batch)

    def iter_posteriors(
        self, reward_model: str, population: str, *, batch: int = _BATCH_OF_BYTES
    ) -> Iterator[tuple[str, Posterior]]:
        """Yield every user's posterior, sorted by user.

        Raises:
            ArtefactError: Stored bytes are damaged.
        """
        return posteriors.iter_posteriors(
            self._database, self.tenant, reward_model, population, batch=batch
        )

    def posterior_generation(self, reward_model: str, population: str) -> str:
        """Return a text that differs whenever one of these posteriors was written or deleted."""
        return posteriors.generation(self._database, self.tenant, reward_model, population)

    def iter_instructions(self, *, batch: int = _BATCH) -> Iterator[tuple[str, Instruction]]:
        """Yield every user's instructions: sorted by user, then in the order of storing."""
        return instructions.iter_instructions(self._database, self.tenant, batch=batch)

    def instruction_generation(self) -> str:
        """Return a text that changes whenever an instruction is written or deleted."""
        return instructions.generation(self._database, self.tenant)

    def save_population(self, population: Population, *, users: Sequence[str]) -> None:
        """Store a population with the users of this tenant that it learned from.

        Saving the same version again replaces its users and takes away its mark for refitting.
        A user who is unknown was forgotten while it was fitted: the name is not stored, and the
        population is marked for refitting at once.

        Raises:
            InvalidInputError: ``meta`` is not JSON, or an array not numeric.
        """
        populations.save(
            self._database, self.tenant, population, users=users, now=to_micros(self._clock())
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

    def embeddings(self, fingerprint: str, keys: Sequence[str]) -> dict[str, FloatArray]:
        """Return the cached features ``(D,)`` of these keys (see `content_key`) as far as known."""
        return embeddings.load(self._database, self.tenant, fingerprint, keys)

    def save_embeddings(self, fingerprint: str, vectors: Mapping[str, FloatArray]) -> None:
        """Cache features ``(D,)`` by key; keys that are cached stay as they are.

        Raises:
            InvalidInputError: A key is not a sha256, or a vector not finite.
        """
        embeddings.save(self._database, self.tenant, fingerprint, vectors)

    def audit_events(self) -> tuple[AuditEvent, ...]:
        """Return the audit trail, oldest first."""
        return audit.events(self._database, self.tenant)

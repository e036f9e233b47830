"""What the store holds about all users of one tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from persona_engine.store import (
    adapters,
    audit,
    clusterings,
    embeddings,
    events,
    instructions,
    posteriors,
    replies,
    traits,
)
from persona_engine.store.audit import EVERYTHING, AuditQuery
from persona_engine.store.clock import to_micros
from persona_engine.store.records import (
    AdapterRow,
    AuditEvent,
    ClusteringRow,
    NewAdapter,
    StoredReply,
)
from persona_engine.store.tenant_bulk import TenantBulk
from persona_engine.store.tenant_populations import TenantPopulations
from persona_engine.store.users import find_users, iter_users
from persona_engine.types import (
    Clustering,
    Comparison,
    FloatArray,
    Instruction,
    Json,
    Posterior,
)

_BATCH = 10_000
_BATCH_OF_BYTES = 1_000


class TenantStore(TenantPopulations, TenantBulk):
    """One tenant's rows; made by `Store.tenant`, which checks the name.

    Iterators read in batches and hold no transaction between them: what is written meanwhile may
    or may not be seen.
    """

    def users(self) -> tuple[str, ...]:
        """Return every user, sorted."""
        return tuple(self.iter_users())

    def iter_users(self, *, batch: int = _BATCH) -> Iterator[str]:
        """Yield every user, sorted."""
        return iter_users(self._database, self.tenant, batch=batch)

    def find_users(
        self, *, containing: str = "", after: str = "", count: int = 50
    ) -> tuple[str, ...]:
        """Return users whose name contains a text, whatever its case, sorted.

        Args:
            containing: The text; empty for everybody.
            after: Only those whose names come after this one, to page on.
            count: How many at most.

        Raises:
            InvalidInputError: A text cannot be stored.
        """
        return find_users(
            self._database, self.tenant, containing=containing, after=after, count=count
        )

    def iter_comparisons(self, *, batch: int = _BATCH) -> Iterator[tuple[str, Comparison]]:
        """Yield every user's comparisons: sorted by user, then oldest first."""
        return events.iter_comparisons(self._database, self.tenant, batch=batch)

    def iter_replies(self, *, batch: int = _BATCH_OF_BYTES) -> Iterator[tuple[str, StoredReply]]:
        """Yield every reply with the user whom it was given to: sorted by user."""
        return replies.iter_replies(self._database, self.tenant, batch=batch)

    def iter_traits(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield users of whom the host said something, and what, sorted by user."""
        return traits.iter_traits(self._database, self.tenant)

    def traits_generation(self) -> str:
        """Return a text that differs whenever what the host knows of a user has changed."""
        return traits.generation(self._database, self.tenant)

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

    def save_clustering(
        self,
        clustering: Clustering,
        *,
        users: Sequence[str],
        sizes: Sequence[int],
        about: Sequence[Json] = (),
    ) -> None:
        """Store a clustering with the users of this tenant that it learned from.

        Saving the same version again replaces its users and what is told of its clusters, and
        takes away its mark for refitting. A user who is unknown was forgotten while it was fitted:
        the name is not stored, and the clustering is marked for refitting at once.

        Args:
            clustering: What was learned; its names are lasting ones.
            users: Whom it learned from.
            sizes: For each cluster, in the order of ``names``, the users for whom it is likeliest.
            about: For each cluster what else is told of it, as JSON.

        Raises:
            InvalidInputError: A name occurs twice, ``sizes`` or ``about`` has another length than
                ``names``, what is told is not JSON, or an array not numeric.
            NotFoundError: The tenant lacks the population that it stands on.
        """
        clusterings.save(
            self._database,
            self.tenant,
            clustering,
            users=users,
            sizes=sizes,
            about=about,
            now=to_micros(self._clock()),
        )

    def publish_clustering(self, version: str) -> None:
        """Put a stored clustering to use, in place of the tenant's other one.

        Raises:
            NotFoundError: The tenant has none of that version.
        """
        clusterings.publish(self._database, self.tenant, version)

    def clustering(self, version: str) -> Clustering:
        """Return a stored clustering.

        Raises:
            NotFoundError: The tenant has none of that version.
            ArtefactError: Its bytes are damaged.
        """
        return clusterings.load(self._database, self.tenant, version)

    def published_clustering(self, population: str | None = None) -> Clustering | None:
        """Return the clustering in use, or None; None too if it stands on another population.

        One that users were taken out of (`akin`) is no other.

        Raises:
            ArtefactError: Its bytes are damaged.
        """
        found = clusterings.published(self._database, self.tenant)
        if found is None or population is None or self.akin(population, found.population):
            return found
        return None

    def published_clustering_version(self) -> tuple[str, str] | None:
        """Return version and population of the clustering in use, without reading its state."""
        return clusterings.published_version(self._database, self.tenant)

    def clusterings(self) -> tuple[ClusteringRow, ...]:
        """Return every clustering without its state, oldest first."""
        return clusterings.rows(self._database, self.tenant)

    def save_adapter(self, adapter: NewAdapter, *, users: Sequence[str]) -> None:
        """Store a version of an adapter with the users of this tenant that it learned from.

        Saving the same version again replaces its users and takes away its mark for training anew.
        A user who is unknown was forgotten meanwhile: the name is not stored, and the adapter is
        marked at once.

        Raises:
            InvalidInputError: A value cannot be stored.
            ConflictError: The version or its file is stored with other content.
        """
        adapters.save(
            self._database, self.tenant, adapter, users=users, now=to_micros(self._clock())
        )

    def adapter(self, version: str) -> AdapterRow:
        """Return one version of an adapter.

        Raises:
            NotFoundError: The tenant has none of that version.
        """
        return adapters.load(self._database, self.tenant, version)

    def adapters(self, cluster: str | None = None) -> tuple[AdapterRow, ...]:
        """Return every version, or those of one cluster, oldest first."""
        return adapters.rows(self._database, self.tenant, cluster)

    def published_adapters(self, base: str) -> tuple[AdapterRow, ...]:
        """Return the versions in use on one base model: at most one for each cluster."""
        return adapters.published(self._database, self.tenant, base)

    def publish_adapter(self, version: str) -> None:
        """Put a version to use for its cluster and base, in place of the one before.

        Raises:
            NotFoundError: The tenant has none of that version.
        """
        adapters.publish(self._database, self.tenant, version, now=to_micros(self._clock()))

    def unpublish_adapter(self, version: str) -> None:
        """Take a version out of use; the base model serves its cluster then.

        Raises:
            NotFoundError: The tenant has none of that version.
        """
        adapters.unpublish(self._database, self.tenant, version)

    def roll_back_adapter(
        self, version: str, *, check: Callable[[AdapterRow], object] = lambda _: None
    ) -> str:
        """Put to use again what was published before this version, and return it.

        The publication is undone: rolling back again goes one further back.

        Args:
            version: The published one.
            check: Gets the one before; if it raises, nothing is changed.

        Raises:
            NotFoundError: The tenant has none of that version, or none was published before.
            ConflictError: It is not published.
        """
        return adapters.roll_back(self._database, self.tenant, version, check=check)

    def delete_adapter(self, version: str, *, force: bool = False) -> None:
        """Delete a version's rows, its place in the history of publications among them.

        Raises:
            NotFoundError: The tenant has none of that version.
            ConflictError: It is published, and ``force`` is not set.
        """
        adapters.remove(self._database, self.tenant, version, force=force)

    def embeddings(self, fingerprint: str, keys: Sequence[str]) -> dict[str, FloatArray]:
        """Return the cached features ``(D,)`` of these keys (see `content_key`) as far as known."""
        return embeddings.load(self._database, self.tenant, fingerprint, keys)

    def save_embeddings(self, fingerprint: str, vectors: Mapping[str, FloatArray]) -> None:
        """Cache features ``(D,)`` by key; keys that are cached stay as they are.

        Raises:
            InvalidInputError: A key is not a sha256, or a vector not finite.
        """
        embeddings.save(self._database, self.tenant, fingerprint, vectors)

    def audit_events(self, query: AuditQuery = EVERYTHING) -> tuple[AuditEvent, ...]:
        """Return the events of the audit trail that are asked for, oldest first.

        Raises:
            InvalidInputError: The limit is below 1, or a time has no time zone.
        """
        return audit.events(self._database, self.tenant, query)

    def prune_audit(self, *, before: datetime) -> int:
        """Delete the audit trail's events from before a time; return how many there were."""
        return audit.prune(self._database, self.tenant, before)

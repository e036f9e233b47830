"""What the store does for many users of one tenant at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from persona_engine.store import bulk, redacted
from persona_engine.store.bulk import ImportedComparison
from persona_engine.store.clock import Clock, to_micros
from persona_engine.store.database import Database
from persona_engine.store.redacted import Redact
from persona_engine.types import Posterior

_BATCH = 10_000


class TenantBulk:
    """The part of `persona_engine.store.TenantStore` that writes many users' rows at once."""

    _database: Database
    _clock: Clock
    _redact: Redact
    tenant: str

    def import_comparisons(self, new: Sequence[ImportedComparison]) -> int:
        """Write comparisons in one transaction; return how many were not stored already.

        Users who are not known yet are made. Fields must be checked before.
        """
        now = to_micros(self._clock())
        kept = [replace(each, new=redacted.comparison(each.new, self._redact)) for each in new]
        return bulk.import_comparisons(self._database, self.tenant, kept, now=now)

    def is_imported(self, event: ImportedComparison) -> bool:
        """Return whether a comparison of an import is stored."""
        return bulk.is_imported(self._database, self.tenant, event)

    def iter_counts(self, *, batch: int = _BATCH) -> Iterator[tuple[str, int]]:
        """Yield each user who has compared anything, and how often, sorted by user."""
        return bulk.iter_counts(self._database, self.tenant, batch=batch)

    def posterior_counts(
        self, reward_model: str, population: str, users: Sequence[str]
    ) -> dict[str, int]:
        """Return how many comparisons the stored posteriors of some users have seen."""
        return bulk.posterior_counts(self._database, self.tenant, reward_model, population, users)

    def save_posteriors(self, found: Sequence[tuple[str, Posterior]]) -> int:
        """Write many users' posteriors in one transaction; return how many users there still are.

        A stored one that has seen more comparisons stays.
        """
        now = to_micros(self._clock())
        return bulk.save_posteriors(self._database, self.tenant, found, now=now)

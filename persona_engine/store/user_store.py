"""What the store holds about one user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from persona_engine.store import (
    audit,
    corrections,
    erasure,
    events,
    portable,
    posteriors,
    redacted,
    replies,
    steering,
    traits,
)
from persona_engine.store.clock import Clock, to_micros
from persona_engine.store.database import Database
from persona_engine.store.records import (
    Fold,
    ForgottenRows,
    NewComparison,
    RatingRow,
    StoredReply,
    Unlearning,
)
from persona_engine.store.redacted import Redact, as_it_is
from persona_engine.store.user_wishes import UserWishes
from persona_engine.store.users import created_at, ensure_user
from persona_engine.types import (
    Comparison,
    Conversation,
    Posterior,
    Scope,
)


class UserStore(UserWishes):
    """One user's rows; made by `Store.user`, which checks the scope.

    Ids of other users, and ids that do not exist, give the same `NotFoundError`.
    """

    def __init__(
        self, database: Database, scope: Scope, clock: Clock, redact: Redact = as_it_is
    ) -> None:
        self.scope = scope
        self._database = database
        self._clock = clock
        self._redact = redact

    def touch(self) -> None:
        """Make the user known; nothing happens when they are."""
        now = self._now()

        def work(connection: Connection) -> None:
            ensure_user(connection, self.scope, now)

        self._database.write(work, scope=self.scope)

    def created_at(self) -> datetime | None:
        """Return when the user was first seen, or None for a user never seen."""
        return created_at(self._database, self.scope)

    def record(
        self,
        new: Sequence[NewComparison],
        *,
        idempotency_key: str | None = None,
        fold: Fold | None = None,
    ) -> tuple[Comparison, ...]:
        """Append comparisons, and change a posterior by them, in one transaction.

        When it returns, both are on the disk; when it raises, neither is.

        Args:
            new: The comparisons, oldest first; none of them does nothing.
            idempotency_key: With a key that was used before for the same content, nothing is
                written and the earlier comparisons are returned.
            fold: How the posterior changes.

        Raises:
            InvalidInputError: A field cannot be stored.
            NotFoundError: A comparison is about a reply that this user was not given.
            ConflictError: The key was used before for other content.
            StoreUnavailableError: The database cannot be written.
        """
        kept = [redacted.comparison(each, self._redact) for each in new]
        return events.record(
            self._database, self.scope, kept, key=idempotency_key, fold=fold, now=self._now()
        )

    def comparisons(self) -> tuple[Comparison, ...]:
        """Return every comparison, oldest first."""
        return events.comparisons(self._database, self.scope)

    def comparison_count(self) -> int:
        """Return how many comparisons the user has made, without reading them."""
        return events.count(self._database, self.scope)

    def posterior(self, reward_model: str, population: str) -> tuple[Posterior, int] | None:
        """Return the posterior and its version for `save_posterior`, or None.

        Raises:
            ArtefactError: The stored bytes are damaged.
        """
        return posteriors.load(self._database, self.scope, reward_model, population)

    def save_posterior(self, posterior: Posterior, *, expected_version: int | None) -> int:
        """Write a posterior over the version that was read (None: there was none).

        Returns:
            The new version.

        Raises:
            ConflictError: Somebody else wrote since.
        """
        return posteriors.store(
            self._database, self.scope, posterior, expected=expected_version, now=self._now()
        )

    def drop_posterior(self, reward_model: str, population: str) -> None:
        """Delete a posterior, such as a damaged one; it can be built again from the events."""
        posteriors.drop(self._database, self.scope, reward_model, population)

    def steering(self) -> dict[str, float]:
        """Return the strength of each attribute that the user set by hand."""
        return steering.load(self._database, self.scope)

    def steer(self, strengths: Mapping[str, float]) -> dict[str, float]:
        """Set strengths by attribute, all or none; 0 removes one. Return what is set then.

        Raises:
            InvalidInputError: An attribute is no name, or a strength no number from -10 to 10.
        """
        return steering.change(self._database, self.scope, strengths, now=self._now())

    def traits(self) -> dict[str, str]:
        """Return what the host knows of the user: ``locale`` and ``traits``, as far as known."""
        return traits.load(self._database, self.scope)

    def describe(self, known: Mapping[str, str]) -> dict[str, str]:
        """Set ``locale`` and ``traits``; empty text removes one. Return what is known then.

        Raises:
            InvalidInputError: A text cannot be stored.
        """
        kept = {name: self._redact(text) for name, text in known.items()}
        return traits.change(self._database, self.scope, kept, now=self._now())

    def save_reply(
        self,
        reply_id: str,
        *,
        prompt: Conversation,
        text: str,
        candidates: Sequence[str],
        trace: Mapping[str, Any],
    ) -> None:
        """Store a reply that was given, for feedback and explanation.

        Raises:
            InvalidInputError: A field cannot be stored; ``trace`` must be JSON.
            ConflictError: A reply of that id is stored.
        """
        replies.save(
            self._database,
            self.scope,
            reply_id,
            prompt=redacted.conversation(prompt, self._redact),
            text=self._redact(text),
            candidates=redacted.texts(candidates, self._redact),
            trace=redacted.document(trace, self._redact),
            now=self._now(),
        )

    def reply(self, reply_id: str) -> StoredReply:
        """Return a reply that this user was given.

        Raises:
            NotFoundError: This user was given no such reply.
        """
        return replies.load(self._database, self.scope, reply_id)

    def prompts(self, most: int) -> tuple[Conversation, ...]:
        """Return the conversations that the user's latest replies answered, latest first."""
        return replies.prompts(self._database, self.scope, most)

    def rate(self, reply_id: str, value: float, *, idempotency_key: str | None = None) -> str:
        """Record a rating of a reply and return the rating's id.

        Raises:
            InvalidInputError: ``value`` is not finite.
            NotFoundError: This user was given no such reply.
            ConflictError: The key was used before for another rating.
        """
        return replies.rate(
            self._database, self.scope, reply_id, value, key=idempotency_key, now=self._now()
        )

    def ratings(self) -> tuple[RatingRow, ...]:
        """Return the newest rating of each reply that this user rated, oldest first."""
        return replies.ratings(self._database, self.scope)

    def rating_values(self) -> dict[str, float]:
        """Return the newest rating of each rated reply, by the reply's id."""
        return replies.rating_values(self._database, self.scope)

    def export(self) -> dict[str, Any]:
        """Return every row of this user as JSON, at one moment; posteriors as base64."""
        return portable.export(self._database, self.scope, now=self._now())

    def restore(self, document: Mapping[str, Any]) -> int:
        """Import an exported document into this user: all of it or, on an error, nothing.

        Rows that are stored already are skipped. Posteriors are not imported; when comparisons
        are, the stored ones are deleted, to be built again from all events.

        Returns:
            How many rows were written.

        Raises:
            InvalidInputError: Not such a document, or a field cannot be stored.
            ConflictError: A row of the same id is stored with other content.
        """
        kept = redacted.document(document, self._redact)
        return portable.restore(self._database, self.scope, kept, now=self._now())

    def taught(self) -> frozenset[tuple[str, str]]:
        """Return reward model and feature space of populations in use that learned from them."""
        return corrections.taught(self._database, self.scope)

    def forget(self, unlearning: Unlearning | None = None) -> ForgottenRows:
        """Delete everything about this user, and mark what learned from them, in one transaction.

        Cached features of their texts go too. Populations in use are replaced by ones that they are
        taken out of. The audit trail keeps that somebody was forgotten: the sha256 of the name, and
        counts.

        Args:
            unlearning: How a user is taken out of a population; without it, all are only marked.
        """
        return erasure.forget(self._database, self.scope, unlearning, now=self._now())

    def audit(self, action: str, detail: Mapping[str, Any]) -> None:
        """Append to the audit trail; ``detail`` must be JSON without personal content."""
        audit.write(self._database, self.scope, action, detail, now=self._now())

    def _now(self) -> int:
        return to_micros(self._clock())

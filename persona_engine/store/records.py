"""Frozen values that the store takes and gives beyond those of `persona_engine.types`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from persona_engine.types import Conversation, Posterior


@dataclass(frozen=True, slots=True)
class NewComparison:
    """A comparison that is about to be recorded.

    Args:
        prompt: The request.
        chosen: The text that was preferred.
        rejected: The other text.
        weight: Strength, 1 for a plain answer.
        source: What it was made from: ``comparison``, ``rating``, ``edit``, ….
        question: The question that was answered, or None.
        reply: The reply that it is about, or None.
        tie: Whether neither text was preferred.
    """

    prompt: str
    chosen: str
    rejected: str
    weight: float = 1.0
    source: str = "comparison"
    question: str | None = None
    reply: str | None = None
    tie: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """How new events change a posterior, in the transaction that writes them.

    Args:
        reward_model: Plugin whose posterior changes.
        population: Version of its population.
        apply: Gets the stored posterior, or None when there is none that can be read, and returns
            the new one, or None to delete it. It runs inside the transaction, after the events are
            written: what it reads from the same store in the same thread includes them. It runs
            again when another writer came first, so it must be pure.
    """

    reward_model: str
    population: str
    apply: Callable[[Posterior | None], Posterior | None]


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply as it was given, for feedback and explanation."""

    id: str
    prompt: Conversation
    text: str
    candidates: tuple[str, ...]
    trace: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PopulationRow:
    """A population without its state.

    Args:
        version: Content hash.
        reward_model: Plugin that fitted it.
        fingerprint: Feature space that it reads.
        published: Whether it is the one in use for its reward model and feature space.
        stale: Whether somebody that it learned from was forgotten, so that it wants a refit.
        trained_users: Users of this tenant that it learned from.
        created_at: When it was saved.
        meta: Settings and held-out figures.
    """

    version: str
    reward_model: str
    fingerprint: str
    published: bool
    stale: bool
    trained_users: int
    created_at: datetime
    meta: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ForgottenRows:
    """What `UserStore.forget` deleted and marked.

    Args:
        rows: Deleted rows, by table.
        cached_embeddings: Deleted cached features, of texts that nobody else's events use.
        stale: Versions of populations and names of adapters marked for refitting.
        erased_at: When.
    """

    rows: Mapping[str, int]
    cached_embeddings: int
    stale: tuple[str, ...]
    erased_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that was done to somebody's data; ``subject`` is the sha256 of the user's name."""

    id: str
    subject: str
    action: str
    detail: Mapping[str, Any]
    created_at: datetime

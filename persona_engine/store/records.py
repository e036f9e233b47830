"""Frozen values that the store takes and gives beyond those of `persona_engine.types`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from persona_engine.types import Conversation, Population, Posterior


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
        apply: Gets the stored posterior, or None when there is none that can be read, and how many
            comparisons the user has made, the new ones included; returns the new posterior, or None
            to delete it. It runs inside the transaction, after the events are written: what it
            reads from the same store in the same thread includes them. It runs again when another
            writer came first, so it must be pure.
    """

    reward_model: str
    population: str
    apply: Callable[[Posterior | None, int], Posterior | None]


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
class RatingRow:
    """A rating of a reply, with what was rated."""

    prompt: Conversation
    text: str
    value: float
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
class ClusterRow:
    """One cluster of a clustering.

    Args:
        name: What it is called; lasting across refits.
        place: Its column in memberships, from 0.
        size: Users for whom it is the likeliest.
        meta: What is told of it.
    """

    name: str
    place: int
    size: int
    meta: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClusteringRow:
    """A clustering without its state.

    Args:
        version: Content hash.
        clusterer: Plugin that fitted it.
        population: Version of the population in whose latent space it stands.
        published: Whether it is the one in use.
        stale: Whether somebody that it learned from was forgotten, so that it wants a refit.
        trained_users: Users of this tenant that it learned from.
        created_at: When it was saved.
        meta: Settings and held-out figures.
        clusters: Its clusters, in the order of their places.
    """

    version: str
    clusterer: str
    population: str
    published: bool
    stale: bool
    trained_users: int
    created_at: datetime
    meta: Mapping[str, Any]
    clusters: tuple[ClusterRow, ...]


@dataclass(frozen=True, slots=True)
class Artefact:
    """A file outside the database that a row vouches for.

    Args:
        path: Relative to the folder that the program keeps such files in.
        sha256: Of its content.
        size: In bytes.
    """

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class NewAdapter:
    """A version of an adapter that is about to be stored.

    Args:
        version: Its id.
        cluster: Lasting name of the cluster that it was trained for.
        base: Hash of the base model.
        artefact: The file that vouches for the adapter's.
        meta: What is told of it, as JSON.
    """

    version: str
    cluster: str
    base: str
    artefact: Artefact
    meta: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AdapterRow:
    """One version of an adapter, as the store knows it.

    Args:
        version: Its id.
        cluster: Lasting name of the cluster that it was trained for.
        base: Hash of the base model that it changes.
        artefact: Path of the file that vouches for it, relative to the registry's folder.
        sha256: That file's hash.
        published: Whether it is the one in use for its cluster and base.
        stale: Whether somebody that it learned from was forgotten, so that it wants training anew.
        created_at: When it was saved.
        meta: What is told of it: trainer, metrics and the like.
    """

    version: str
    cluster: str
    base: str
    artefact: str
    sha256: str
    published: bool
    stale: bool
    created_at: datetime
    meta: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Correction:
    """A population without one user, found without a fit.

    Args:
        population: It.
        moved: By how much that moves predictions, at most, in logits.
    """

    population: Population
    moved: float


@dataclass(frozen=True, slots=True)
class Unlearning:
    """How a forgotten user is taken out of populations in use, until these are fitted again.

    Args:
        correct: Returns a population without the user, or None where its model cannot; gets the
            share that the user's comparisons counted in its fit, too. Pure, as it runs inside the
            transaction.
        tolerance: What forgotten users may have moved predictions by, together, before a corrected
            population takes the place of one in use, in logits.
    """

    correct: Callable[[Population, float], Correction | None]
    tolerance: float


@dataclass(frozen=True, slots=True)
class ForgottenRows:
    """What `UserStore.forget` deleted and marked.

    Args:
        rows: Deleted rows, by table.
        cached_embeddings: Deleted cached features of their texts.
        stale: Versions of populations, clusterings and adapters marked for refitting.
        corrected: By version of a population in use that the user was taken out of: the one that
            took its place, or its own where the difference is within the tolerance.
        erased_at: When.
    """

    rows: Mapping[str, int]
    cached_embeddings: int
    stale: tuple[str, ...]
    corrected: Mapping[str, str]
    erased_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that was done to somebody's data.

    Args:
        id: Of the event.
        subject: The sha256 of the user's name; empty where it is about no single user.
        action: ``read``, ``write``, ``export``, ``delete``, or what the engine itself did.
        detail: JSON without personal content.
        created_at: When.
        actor: The key that it was done with, or None without the server.
        request: The request's id, likewise.
        number: Its place in the trail; later events have higher ones.
    """

    id: str
    subject: str
    action: str
    detail: Mapping[str, Any]
    created_at: datetime
    actor: str | None = None
    request: str | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class NewAuditEvent:
    """What is to be appended to the trail of a tenant; ``user`` is None for no single one."""

    tenant: str
    user: str | None
    action: str
    detail: Mapping[str, Any]
    actor: str | None = None
    request: str | None = None

"""Values of what is known about a person: tastes, profile, neighbours, receipts of erasure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from persona_engine.types.instruction import Instruction


@dataclass(frozen=True, slots=True)
class Taste:
    """Where a user stands on one named style: expected preference for its high pole."""

    style: str
    low: str
    high: str
    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Profile:
    """What the engine knows about one user.

    Args:
        tenant: The tenant.
        user: The user.
        instructions: Every instruction, also superseded and retracted ones.
        comparisons: Number of comparisons.
        tastes: Named styles, strongest first; empty without a population.
        reward_model: Plugin that holds the posterior, or None.
        population: Version of its population, or None.
        created_at: When the user was first seen, or None for a user never seen.
        steering: What the user set by hand: strength towards an attribute's high pole, by name.
        clusters: P(user belongs to cluster) by its name, likeliest first; empty without clusters.
        traits: What the host said of the user: ``locale`` and ``traits``, as far as known.
    """

    tenant: str
    user: str
    instructions: tuple[Instruction, ...]
    comparisons: int
    tastes: tuple[Taste, ...]
    reward_model: str | None
    population: str | None
    created_at: datetime | None
    steering: Mapping[str, float] = field(default_factory=dict)
    clusters: Mapping[str, float] = field(default_factory=dict)
    traits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another user of the same tenant whose preference embedding is near.

    Args:
        user: The other user.
        similarity: Cosine of the two embeddings, -1 to 1.
    """

    user: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of what was erased for one user.

    Args:
        tenant: The tenant.
        user: The user.
        erased_at: When.
        rows: Rows deleted, by table.
        index_vectors: Vectors removed, by index.
        cached_embeddings: Cached features of their texts removed.
        refit: Versions of populations, clusterings and adapters that learned from the user, marked
            for refitting.
        corrected: By version of a population that was in use: the one in use now, which the user
            was taken out of to first order; itself where that moves predictions by less than
            ``forget_tolerance``. One in ``refit`` that is not named here keeps the user until then.
        files: Files and folders removed, by place.
        remains: What is left and until when, in words.
        sha256: Hash over the fields above.
    """

    tenant: str
    user: str
    erased_at: datetime
    rows: Mapping[str, int]
    index_vectors: Mapping[str, int]
    cached_embeddings: int
    refit: tuple[str, ...]
    corrected: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    remains: tuple[str, ...] = ()
    sha256: str = field(default="")

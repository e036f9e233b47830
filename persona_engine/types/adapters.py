"""Values of clusters of users and of the adapters that are trained for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.types.chat import Conversation
from persona_engine.types.evidence import FloatArray
from persona_engine.types.preference import Arrays, Json

AdapterKind = Literal["LORA", "STEERING"]
"""What an adapter's configuration calls it, as its ``peft_type``: matrices, or one vector."""

RewardOfTexts = Callable[[Conversation, Sequence[str]], FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class Beliefs:
    """What is believed about many users: a Gaussian each, in the latent space of one population.

    Args:
        users: Their names, ``U`` of them.
        mean: ``(U, k)``.
        covariance: ``(U, k, k)``.
        count: Comparisons that each belief rests on, ``(U,)``.
        prior_mean: What is believed of who has not answered anything, ``(k,)``; 0 if omitted.
        prior_covariance: Likewise, ``(k, k)``; the identity if omitted.
        indifferent: ``(k,)`` where somebody stands to whom all replies are alike, which is what
            answers at random look like; the prior's mean if omitted.
    """

    users: tuple[str, ...]
    mean: FloatArray
    covariance: FloatArray
    count: np.ndarray[Any, np.dtype[np.int64]]
    prior_mean: FloatArray = None  # type: ignore[assignment]  # filled in __post_init__
    prior_covariance: FloatArray = None  # type: ignore[assignment]  # filled in __post_init__
    indifferent: FloatArray = None  # type: ignore[assignment]  # filled in __post_init__

    def __post_init__(self) -> None:
        users, width = len(self.users), self.mean.shape[-1]
        if self.prior_mean is None:
            object.__setattr__(self, "prior_mean", np.zeros(width, np.float32))
        if self.prior_covariance is None:
            object.__setattr__(self, "prior_covariance", np.eye(width, dtype=np.float32))
        if self.indifferent is None:
            object.__setattr__(self, "indifferent", self.prior_mean)
        shapes = (self.mean.shape, self.covariance.shape, self.count.shape)
        if shapes != ((users, width), (users, width, width), (users,)):
            raise InvalidInputError(
                f"beliefs about {users} users have shapes {shapes}, "
                "expected (U, k), (U, k, k) and (U,)"
            )
        shared = (self.prior_mean.shape, self.prior_covariance.shape, self.indifferent.shape)
        if shared != ((width,), (width, width), (width,)):
            raise InvalidInputError(
                f"prior and the indifferent person have shapes {shared}, expected those of width "
                f"{width}"
            )

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True, eq=False)
class Clustering:
    """What a clusterer learned about a tenant's users.

    Args:
        clusterer: Name of the plugin that fitted it.
        population: Version of the population in whose latent space it stands.
        names: Its clusters' names, ``K`` of them, in the order of its memberships' columns.
        arrays: The learned arrays, by name; stored as safetensors.
        meta: Settings and held-out figures; stored as JSON.
    """

    clusterer: str
    population: str
    names: tuple[str, ...]
    arrays: Arrays
    meta: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrays", MappingProxyType(dict(self.arrays)))
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))

    @cached_property
    def version(self) -> str:
        """Content hash: equal state gives an equal version."""
        told = [self.clusterer, self.population, list(self.names), dict(self.meta)]
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
        for name in sorted(self.arrays):
            value = self.arrays[name]
            digest.update(f"{name}\0{value.dtype.str}\0{value.shape}\0".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class TrainingPair:
    """One comparison to train on: of two replies to a prompt, one was preferred.

    Args:
        prompt: The conversation that both replies follow.
        chosen: The preferred reply.
        rejected: The other one.
        user: Whose comparison it is; decides nothing but grouping.
        weight: Membership of the user times the comparison's own weight, above 0.
        group: The part of the cluster that the user belongs to, where worst groups matter.
        probability: P(chosen preferred) under the users' reward model, if it was asked.
    """

    prompt: Conversation
    chosen: str
    rejected: str
    user: str
    weight: float = 1.0
    group: str = ""
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class RatedReply:
    """One reply that a user rated.

    Args:
        prompt: The conversation that it follows.
        text: The reply.
        good: Whether it was rated above the middle.
        user: Whose rating it is.
        weight: Membership of the user times the rating's distance from the middle, above 0.
    """

    prompt: Conversation
    text: str
    good: bool
    user: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class TrainingTask:
    """What one adapter is to be trained on.

    Args:
        weights: Folder of the base model.
        folder: Where checkpoints are kept and the adapter is written; a run that was broken off
            goes on from what it finds there.
        pairs: Comparisons of the cluster's users.
        rated: Their ratings.
        prompts: What replies may be sampled for, by methods that train on the model's own.
        reward: The cluster's mean reward ``(n,)`` of ``n`` replies to a prompt, if there is one.
        contrasts: For each pair, in the same place, its prompt told what the users like, for
            methods that compare the model with and without it; empty if it was not asked.
        seed: Decides everything.
        anchors: Plain texts that are to stay as likely as they are, for methods that heed them.
    """

    weights: Path
    folder: Path
    pairs: tuple[TrainingPair, ...]
    rated: tuple[RatedReply, ...] = ()
    prompts: tuple[Conversation, ...] = ()
    reward: RewardOfTexts | None = None
    contrasts: tuple[Conversation, ...] = ()
    seed: int = 0
    anchors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainedAdapter:
    """An adapter's files, and how it came about.

    Args:
        folder: Holds ``adapter_config.json`` and ``adapter_model.safetensors``, in PEFT's layout.
        settings: What the trainer used; stored as JSON.
        figures: Loss and the like at the end of training, by name.
    """

    folder: Path
    settings: Json
    figures: Mapping[str, float]

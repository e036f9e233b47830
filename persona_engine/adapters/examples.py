"""What an adapter is trained on: its cluster's comparisons and ratings, as far as they belong."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from persona_engine.adapters.members import Member, Members
from persona_engine.adapters.neutral import ANCHORS
from persona_engine.conversation import as_conversation
from persona_engine.errors import InvalidInputError
from persona_engine.modelling import k_means
from persona_engine.types import (
    Conversation,
    FloatArray,
    RewardOfTexts,
    TrainingPair,
    TrainingTask,
)

Told = Callable[[Conversation], Conversation]
"""Returns a prompt with what the cluster's users like placed as instructions."""

_FEWEST_PARTED = 16


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of a cluster's comparisons an adapter is trained on.

    Args:
        membership: Least probability that a user belongs to the cluster.
        pairs: Most pairs of texts; those are kept about which the users agree most, by weight.
        prompts: Most prompts that a method may sample replies of its own for.
        parts: Into how many parts of like taste the cluster's users are divided, for methods that
            heed the worst-off and for what is reported of them.
        by_part: Whether pairs name their part, so that a method may heed the worst-off; judgements
            of several parts are then not one example.

    Raises:
        InvalidInputError: A number is out of range.
    """

    membership: float = 0.25
    pairs: int = 2_000
    prompts: int = 256
    parts: int = 2
    by_part: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.membership <= 1.0:
            raise InvalidInputError(
                f"membership is {self.membership!r}, expected above 0, at most 1"
            )
        for name in ("pairs", "prompts", "parts"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"{name} is {getattr(self, name)!r}, expected at least 1")


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A cluster's users in parts of like taste.

    Args:
        centres: ``(P, k)`` of the parts, in the latent space of posteriors.
    """

    centres: FloatArray

    @classmethod
    def of(cls, people: Sequence[Member], count: int, *, seed: int) -> Parts:
        """Divide people by k-means on their posteriors' means; few people stay together."""
        means = np.array([each.posterior.mean for each in people], np.float64)
        if count < 2 or len(people) < _FEWEST_PARTED:
            return cls(means.mean(0, keepdims=True).astype(np.float32))
        place = k_means(means, count, rng=np.random.default_rng([seed, 61]))
        sizes = sorted(np.unique(place), key=lambda each: -int((place == each).sum()))
        return cls(np.array([means[place == each].mean(0) for each in sizes], np.float32))

    def name_of(self, person: Member) -> str:
        """Return the part that somebody is nearest to, the largest being ``part-1``."""
        apart = np.square(self.centres - person.posterior.mean).sum(1)
        return f"part-{int(apart.argmin()) + 1}"


def training_task(
    members: Members,
    cluster: str,
    *,
    weights: Path,
    folder: Path,
    parts: Parts,
    selection: Selection,
    reward: RewardOfTexts | None = None,
    told: Told | None = None,
    seed: int,
) -> TrainingTask:
    """Return what to train a cluster's adapter on.

    A pair weighs membership × the comparison's own weight; ties and held-out users and prompts are
    left out. Equal judgements of one part's users become one pair, whose weights add up: a trainer
    reads each text once. P(chosen preferred) is the weighted mean of the users' own.

    Args:
        members: The tenant's users.
        cluster: One of its clusters.
        weights: Folder of the base model.
        folder: Where the trainer works.
        parts: Of the cluster's users.
        selection: Which comparisons.
        reward: The cluster's reward of texts.
        told: Returns a prompt told what the users like; None where no method asks.
        seed: Decides everything.
    """
    people = members.training(cluster, least=selection.membership)
    named = parts if selection.by_part else None
    pairs = _most_telling(_pairs(people, members.column(cluster), named), selection.pairs)
    prompts = list({_key(each.prompt): each.prompt for each in pairs}.values())
    return TrainingTask(
        weights,
        folder,
        tuple(pairs),
        (),
        tuple(prompts[: selection.prompts]),
        reward,
        () if told is None else tuple(told(each.prompt) for each in pairs),
        seed,
        ANCHORS,
    )


@dataclass(slots=True)
class _Sum:
    user: str
    weight: float = 0.0
    probability: float = 0.0


def _pairs(people: Sequence[Member], column: int, parts: Parts | None) -> list[TrainingPair]:
    sums: dict[tuple[str, str, str, str], _Sum] = {}
    for person in people:
        part = "" if parts is None else parts.name_of(person)
        for row, event in enumerate(person.events):
            weight = float(person.membership[column] * person.weight[row])
            if person.held_out[row] or weight <= 0.0 or event.chosen == event.rejected:
                continue
            key = (event.prompt, event.chosen, event.rejected, part)
            found = sums.setdefault(key, _Sum(person.name))
            found.weight += weight
            found.probability += weight * float(person.probability[row])
    return [
        TrainingPair(
            as_conversation(prompt),
            chosen,
            rejected,
            each.user,
            each.weight,
            part,
            each.probability / each.weight,
        )
        for (prompt, chosen, rejected, part), each in sums.items()
    ]


def _most_telling(pairs: Sequence[TrainingPair], most: int) -> list[TrainingPair]:
    """Return both judgements of those texts of which one is preferred by the greatest weight."""
    agreed: dict[tuple[str, frozenset[str], str], float] = defaultdict(float)
    for pair in pairs:
        agreed[_texts(pair)] += pair.weight if pair.chosen < pair.rejected else -pair.weight
    kept = set(sorted(agreed, key=lambda each: -abs(agreed[each]))[:most])
    return [pair for pair in pairs if _texts(pair) in kept]


def _texts(pair: TrainingPair) -> tuple[str, frozenset[str], str]:
    return _key(pair.prompt), frozenset((pair.chosen, pair.rejected)), pair.group


def _key(prompt: Conversation) -> str:
    return json.dumps(list(prompt), sort_keys=True)

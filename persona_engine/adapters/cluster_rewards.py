"""What a cluster's users think of texts by their own reward model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.adapters.members import Member, Members
from persona_engine.conversation import last_request
from persona_engine.errors import InvalidInputError
from persona_engine.features import Text
from persona_engine.interfaces import given
from persona_engine.learning import Learner
from persona_engine.types import (
    Context,
    Conversation,
    FloatArray,
    PairText,
    Posterior,
)

_MOST_USERS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """Users' posteriors and how much each counts.

    Args:
        posteriors: ``U`` of them.
        weight: ``(U,)``, adding to 1.
    """

    posteriors: tuple[Posterior, ...]
    weight: FloatArray

    @classmethod
    def by_membership(cls, people: Sequence[Member], column: int) -> Weighed:
        """Return those 64 who belong to a cluster most, by their membership."""
        if not people:
            raise InvalidInputError("nobody belongs to the cluster, expected at least one user")
        surest = sorted(people, key=lambda each: (-each.membership[column], each.name))
        chosen = surest[:_MOST_USERS]
        weight = np.array([each.membership[column] for each in chosen], np.float32)
        return cls(tuple(each.posterior for each in chosen), weight / weight.sum())


class ClusterReward:
    """The membership-weighted mean reward of a cluster's users, of any texts.

    r(y | x) = Σ_u m_u E[r_u(y | x)] / Σ_u m_u

    Args:
        learner: Has the reward model and its features.
        members: The tenant's users.
        cluster: The cluster.
        people: Whose rewards count.
    """

    def __init__(
        self, learner: Learner, members: Members, cluster: str, people: Sequence[Member]
    ) -> None:
        self._learner = learner
        self._members = members
        self._users = Weighed.by_membership(people, members.column(cluster))

    def __call__(self, prompt: Conversation, texts: Sequence[str]) -> FloatArray:
        """Return rewards ``(n,)`` of replies to a prompt; a blank one is worth less than any."""
        return of_spoken(texts, lambda said: self._of(prompt, said))

    def _of(self, prompt: Conversation, texts: Sequence[str]) -> FloatArray:
        learner, tenant = self._learner, self._members.tenant
        features = learner.features.get(tenant, [Text(each, prompt) for each in texts], keep=False)
        scores = learner.model.score(
            self._members.population,
            self._users.posteriors,
            features,
            **given(self._context(prompt, texts)),
        )  # (U, n)
        return (self._users.weight @ scores.mean).astype(np.float32)

    def _context(self, prompt: Conversation, texts: Sequence[str]) -> Context | None:
        reads = self._learner.model.reads
        if not reads & {"prompt", "texts"}:
            return None
        words, features = last_request(prompt), None
        if "prompt" in reads and words.strip():
            features = self._learner.features.get(self._members.tenant, [Text(words)], keep=False)[
                0
            ]
        pairs = tuple(PairText(words, each, "") for each in texts)
        return Context(features, pairs if "texts" in reads else None)


def of_spoken(texts: Sequence[str], judge: Callable[[Sequence[str]], FloatArray]) -> FloatArray:
    """Return rewards ``(n,)`` of texts, of which a blank one is worth 1 less than the worst."""
    said = [row for row, text in enumerate(texts) if text.strip()]
    rewards = np.zeros(len(texts), np.float32)
    if said:
        rewards[said] = judge([texts[row] for row in said])
        rewards[[row for row in range(len(texts)) if row not in said]] = rewards[said].min() - 1.0
    return rewards

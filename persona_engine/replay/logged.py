"""Choices that were logged, with what was believed then and what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np

from persona_engine.belief import bind
from persona_engine.exploring import relative_rewards
from persona_engine.features import Text
from persona_engine.interfaces import Progress, TextReward
from persona_engine.learning import Learner
from persona_engine.store import StoredReply
from persona_engine.traces import explored_from_json
from persona_engine.types import (
    Comparison,
    Conversation,
    Explored,
    Population,
    Posterior,
    Scope,
    Score,
)


@dataclass(frozen=True, slots=True, eq=False)
class LoggedChoice:
    """One logged choice.

    Args:
        id: Of the choice.
        user: Whose.
        prompt: What the candidates answered.
        candidates: The candidates as given.
        explored: With what probability each was shown, and which was.
        reward: What the person said of it, -1 to 1; None for nothing.
        rewards: Relative rewards of the candidates by what was known before, as
            `persona_engine.exploring.relative_rewards` gives them.
    """

    id: str
    user: str
    prompt: Conversation
    candidates: tuple[str, ...]
    explored: Explored
    reward: float | None
    rewards: Score


def read_log(
    learner: Learner, tenant: str, population: Population, *, progress: Progress
) -> Iterator[LoggedChoice]:
    """Yield a tenant's logged choices, each with what was believed when it was made.

    The belief is that of the population given, on the comparisons that the person had made before:
    nothing that came of a choice, or after it, has a say.

    Args:
        learner: Whose model and features.
        tenant: Whose choices.
        population: What beliefs stand on.
        progress: Told of users.
    """
    rows = learner.store.tenant(tenant).iter_replies()
    for done, (user, replies) in enumerate(groupby(rows, key=itemgetter(0))):
        progress("reading logged choices", done, 0)
        explored = []
        for _, reply in replies:
            drawn = explored_from_json(reply.trace)
            if drawn is not None:
                explored.append((reply, drawn))
        if explored:
            yield from _of_user(learner, Scope(tenant, user), population, explored)


def _of_user(
    learner: Learner,
    scope: Scope,
    population: Population,
    explored: Sequence[tuple[StoredReply, Explored]],
) -> Iterator[LoggedChoice]:
    user = learner.store.user(scope)
    events, ratings = user.comparisons(), user.rating_values()
    evidence = learner.evidence(scope.tenant, events)
    made = np.array([each.created_at.timestamp() for each in events])
    for reply, drawn in explored:
        before = np.flatnonzero(made < reply.created_at.timestamp())
        posterior = learner.refit(population, evidence.take(before))
        said = [each for each in events if each.reply == reply.id]
        yield LoggedChoice(
            reply.id,
            scope.user,
            reply.prompt,
            reply.candidates,
            drawn,
            _reward(reply, ratings.get(reply.id), said),
            _rewards(learner, scope, population, posterior, reply),
        )


def _reward(reply: StoredReply, rating: float | None, said: Sequence[Comparison]) -> float | None:
    """Return what a person said of what they were shown: the rating, else how often preferred."""
    if rating is not None:
        return rating
    signs = [
        (1.0 if each.chosen == reply.text else -1.0, each.weight)
        for each in said
        if reply.text in (each.chosen, each.rejected) and not each.tie
    ]
    total = sum(weight for _, weight in signs)
    return sum(sign * weight for sign, weight in signs) / total if total > 0.0 else None


def _rewards(
    learner: Learner,
    scope: Scope,
    population: Population,
    posterior: Posterior,
    reply: StoredReply,
) -> Score:
    belief = bind(
        learner.model,
        population,
        posterior,
        prompt=reply.prompt,
        encode=lambda words: learner.features.get(scope.tenant, [Text(words)], keep=False)[0],
        context=learner.context,
    )
    texts = [Text(each, reply.prompt) for each in reply.candidates]
    features = learner.features.get(scope.tenant, texts, keep=False)
    if isinstance(belief, TextReward):
        features, reward = belief.of_texts(reply.candidates, features)
        return relative_rewards(features, reward)
    return relative_rewards(features, belief)

"""What one reply is searched by: the person's posterior, others' too, and what the host wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.belief import Belief
from persona_engine.features import Text
from persona_engine.interfaces import Reward
from persona_engine.learning import Learner
from persona_engine.onboarding import question_bank
from persona_engine.rewards import RewardPart, Shared, Together, compose, host_reward
from persona_engine.types import Conversation, Scope

_LEAST = 0.55
"""Least probability of preferring anything at all that is worth searching by."""


@dataclass(frozen=True, slots=True)
class Guidance:
    """What a reply is searched by.

    Args:
        belief: About the person, where it counts.
        reward: All of it together, or None.
        words: What there is besides the person's own posterior, in words.
    """

    belief: Belief | None = None
    reward: Reward | None = None
    words: tuple[str, ...] = ()


def guidance(
    learner: Learner,
    scope: Scope,
    messages: Conversation,
    parts: Sequence[tuple[RewardPart, float]],
    skipped: list[str],
) -> Guidance:
    """Return what a reply to a conversation is searched by.

    Args:
        learner: Gives posteriors.
        scope: Whose reply it is; others are of the same tenant.
        messages: The conversation.
        parts: What counts, and how much.
        skipped: Takes, in words, what does not count and why.
    """
    belief: Belief | None = None
    found: list[tuple[Reward, float]] = []
    words = []
    for part, weight in parts:
        if isinstance(part, str):
            belief = _useful(learner, scope, messages, skipped)
            if belief is not None:
                found.append((belief, weight))
        elif isinstance(part, Together):
            shared = _shared(learner, scope, messages, part, skipped)
            if shared is not None:
                found.append((shared, weight))
                words.append(f"{part.rule} of {', '.join(part.users)} (weight {weight:g})")
        else:
            found.append((host_reward(part), weight))
            words.append(f"the host's reward (weight {weight:g})")
    return Guidance(belief, compose(found), tuple(words))


def tells_apart(learner: Learner, tenant: str, belief: Belief) -> bool:
    """Say whether a person's posterior can tell any two replies of the question bank apart.

    These were written to differ more than samples of one prompt do, in every named style. What
    cannot tell any of them apart is not worth a search.

    Args:
        learner: Has the bank's features; where it has not, this is true.
        tenant: Of the person.
        belief: About them.
    """
    if "texts" in belief.model.reads or belief.steering:
        return True
    bank = question_bank()
    texts = [Text(side, each.prompt) for each in bank for side in (each.a, each.b)]
    features = learner.features.find(tenant, texts)
    if features is None:
        return True
    chosen = belief.logit(features[0::2], features[1::2]).probability()
    return bool(np.maximum(chosen, 1.0 - chosen).max() >= _LEAST)


def _useful(
    learner: Learner, scope: Scope, messages: Conversation, skipped: list[str]
) -> Belief | None:
    belief = learner.belief(scope, prompt=messages)
    if belief is None:
        skipped.append("the reward: no population is published for this feature space")
        return None
    if not belief.informed:
        skipped.append("the reward: no comparison by this user yet")
        return None
    if not tells_apart(learner, scope.tenant, belief):
        skipped.append("the reward: it cannot tell any two replies apart yet")
        return None
    return belief


def _shared(
    learner: Learner,
    scope: Scope,
    messages: Conversation,
    together: Together,
    skipped: list[str],
) -> Reward | None:
    people = []
    for user in together.users:
        belief = learner.belief(Scope(scope.tenant, user), prompt=messages)
        if belief is None:
            skipped.append("the shared reward: no population is published for this feature space")
            return None
        people.append(belief)
    if not any(each.informed for each in people):
        skipped.append(f"the shared reward: no comparison by {', '.join(together.users)} yet")
        return None
    return Shared(people, rule=together.rule)

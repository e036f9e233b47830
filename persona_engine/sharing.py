"""Ranks a host's candidates for several people who share one reply."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_engine.aggregation import Rule, SharedOrder, aggregate
from persona_engine.belief import Belief
from persona_engine.candidates import check_candidates
from persona_engine.errors import InvalidInputError
from persona_engine.features import Text
from persona_engine.interfaces import Reward, TextReward
from persona_engine.learning import Learner
from persona_engine.ranking import as_given
from persona_engine.types import Candidate, Conversation, FloatArray, Ranking, Scope, Score


def rank_shared(
    learner: Learner,
    scopes: Sequence[Scope],
    prompt: Conversation | str,
    responses: Sequence[str],
    *,
    rule: Rule,
) -> Ranking:
    """Order candidates for people of one tenant; see `persona_engine.aggregation.aggregate`.

    Raises:
        InvalidInputError: There is nobody, somebody is named twice, there are no candidates, one
            is blank, or there is no such rule.
    """
    if not scopes or len(set(scopes)) < len(scopes):
        raise InvalidInputError(
            f"users is {[each.user for each in scopes]}, expected one or more, each once"
        )
    check_candidates(prompt, responses)
    found = [learner.belief(scope, prompt=prompt) for scope in scopes]
    beliefs = [each for each in found if each is not None]
    if len(beliefs) < len(scopes):
        return as_given(responses, "no population is published for this feature space")
    texts = [Text(each, prompt) for each in responses]
    features = learner.features.get(scopes[0].tenant, texts, keep=False)
    rewards = [_bound(each, responses, features) for each in beliefs]
    scores = [reward.score(rows) for reward, rows in rewards]
    together = Score(np.array([each.mean for each in scores]), np.array([s.std for s in scores]))
    shared = aggregate(together, rule=rule)
    return Ranking(
        order=shared.order,
        candidates=tuple(
            Candidate(responses[i], float(shared.rewards[i]), float(shared.spreads[i]), tokens=0)
            for i in shared.order
        ),
        confidence=_agreement(rewards, shared.order),
        personalized=any(each.model.personal and each.informed for each in beliefs),
        reason=_reason(beliefs, scopes, shared, rule),
    )


def _bound(
    belief: Belief, responses: Sequence[str], features: FloatArray
) -> tuple[Reward, FloatArray]:
    """Return a person's reward and what it reads of the candidates."""
    if isinstance(belief, TextReward):
        rows, reward = belief.of_texts(responses, features)
        return reward, rows
    return belief, features


def _agreement(rewards: Sequence[tuple[Reward, FloatArray]], order: Sequence[int]) -> float | None:
    """Return the expected share of the people who prefer the first candidate to the second."""
    if len(order) < 2:
        return None
    first, second = [order[0]], [order[1]]
    return float(
        np.mean([each.logit(rows[first], rows[second]).probability()[0] for each, rows in rewards])
    )


def _reason(
    beliefs: Sequence[Belief], scopes: Sequence[Scope], shared: SharedOrder, rule: Rule
) -> str:
    known = sum(each.informed for each in beliefs)
    words = f"by the {rule} of {len(beliefs)} people's rewards, {known} of them known"
    if rule == "mean" or len(beliefs) == 1:
        return words
    least = scopes[int(shared.least_pleased[shared.order[0]])].user
    return f"{words}; least pleased by the first is {least!r}"

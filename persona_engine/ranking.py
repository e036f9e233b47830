"""Orders finished candidates by one person's reward, and says how sure that order is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from persona_engine.errors import PluginError
from persona_engine.interfaces import Reward, TextReward
from persona_engine.types import Candidate, FloatArray, Ranking, Score


@dataclass(frozen=True, slots=True)
class Verdict:
    """An order of candidates and why.

    Args:
        order: Positions of the candidates, best first.
        decided: Whether the reward could tell the best from the others.
        confidence: P(first preferred to second), or None.
        reason: Why the first is first, in words.
        rewards: Expected reward of each scored candidate, relative to their mean.
        spreads: Standard deviation of that relative reward.
    """

    order: tuple[int, ...]
    decided: bool
    confidence: float | None
    reason: str
    rewards: Mapping[int, float] = field(default_factory=dict)
    spreads: Mapping[int, float] = field(default_factory=dict)


def rank_candidates(
    texts: Sequence[str],
    features: FloatArray,
    reward: Reward | None,
    *,
    min_confidence: float,
    caution: float = 0.0,
    bonus: FloatArray | None = None,
    plain: bool = True,
) -> Verdict:
    """Order candidates by expected reward; the plain sample is candidate 0.

    The plain sample comes first unless another is preferred to it with at least
    ``min_confidence``. Blank candidates are not scored and come last.

    Args:
        texts: ``B`` finished replies.
        features: Their features, ``(B, D)``.
        reward: The person's reward, or None.
        min_confidence: Least probability of being preferred to the plain sample.
        caution: Standard deviations of its relative reward that a candidate loses.
        bonus: Log-odds ``(B,)`` that something else than the reward gives each candidate.
        plain: Whether the plain sample is among them; a search may know that it is not the best.

    Raises:
        PluginError: The reward is not finite.
    """
    everyone = tuple(range(len(texts)))
    if reward is None:
        return Verdict(everyone, False, None, "no reward is known, so this is the plain sample")
    scored = [i for i in everyone if texts[i].strip()]
    if not scored:
        return Verdict(everyone, False, None, "every candidate is blank")
    if isinstance(reward, TextReward):
        features, reward = reward.of_texts(texts, features)
    rewards, spreads = _relative_rewards(features[scored], reward)
    extra = np.zeros(len(texts), np.float32) if bonus is None else bonus
    worth = rewards - caution * spreads + extra[scored]
    best_first = [scored[i] for i in np.argsort(-worth, kind="stable")]
    preference = _Preference(reward, features, extra)
    if plain:
        first, decided, reason = _choose(best_first, preference, min_confidence)
    else:
        first, decided, reason = best_first[0], True, f"best of {len(best_first)} that ended"
    order = [first, *(i for i in best_first if i != first)]
    return Verdict(
        order=(*order, *(i for i in everyone if i not in scored)),
        decided=decided,
        confidence=preference(order[0], order[1]) if len(order) > 1 else None,
        reason=reason,
        rewards=dict(zip(scored, map(float, rewards), strict=True)),
        spreads=dict(zip(scored, map(float, spreads), strict=True)),
    )


def _relative_rewards(features: FloatArray, reward: Reward) -> tuple[FloatArray, FloatArray]:
    """Return rewards ``(B,)`` less their mean, and the spread of that difference ``(B,)``."""
    means = reward.score(features).mean
    centre = np.broadcast_to(features.mean(0, dtype=np.float32), features.shape)
    spreads = reward.logit(features, np.ascontiguousarray(centre)).std
    if not (np.isfinite(means).all() and np.isfinite(spreads).all()):
        raise PluginError(
            "the reward of a candidate is not a finite number",
            remedy="infer the user's posterior again (`persona fit`)",
        )
    return means - means.mean(), spreads


def _choose(
    best_first: Sequence[int], preference: _Preference, min_confidence: float
) -> tuple[int, bool, str]:
    """Return which candidate to show, whether the reward decided it, and why."""
    best = best_first[0]
    if 0 not in best_first:
        return best, True, "the plain sample is blank"
    if len(best_first) == 1:
        return best, False, "there is one candidate, the plain sample"
    rival = 0 if best != 0 else best_first[1]
    probability = preference(best, rival)
    if probability < min_confidence:
        return (
            0,
            False,
            (
                f"the reward cannot tell {len(best_first)} candidates apart (the best is preferred "
                f"with probability {probability:.2f}, below {min_confidence:.2f}), so this is the "
                "plain sample"
            ),
        )
    other = "the plain sample" if best != 0 else "the runner-up; it is the plain sample"
    return (
        best,
        True,
        (f"best of {len(best_first)}: preferred with probability {probability:.2f} to {other}"),
    )


@dataclass(frozen=True, slots=True)
class _Preference:
    """P(candidate ``a`` is preferred to candidate ``b``)."""

    reward: Reward
    features: FloatArray
    bonus: FloatArray

    def __call__(self, a: int, b: int) -> float:
        found = self.reward.logit(self.features[[a]], self.features[[b]])
        shifted = Score(found.mean + (self.bonus[a] - self.bonus[b]), found.std)
        return float(shifted.probability()[0])


def by_reward(rewards: Mapping[int, float]) -> tuple[int, ...]:
    """Return the positions of candidates, best first; equals in the order given."""
    return tuple(sorted(rewards, key=lambda position: (-rewards[position], position)))


def as_given(responses: Sequence[str], reason: str) -> Ranking:
    """Return candidates in the order in which they were given, and why."""
    return Ranking(
        order=tuple(range(len(responses))),
        candidates=tuple(Candidate(each, None, None, tokens=0) for each in responses),
        confidence=None,
        personalized=False,
        reason=reason,
    )

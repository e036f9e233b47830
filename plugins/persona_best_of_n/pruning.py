"""Which branches are given up before they end: the worst so far, and those that are beaten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.decoding import Objective
from persona_engine.interfaces import Branches, Reward, TextReward
from persona_engine.types import FloatArray, Score, StepResult

# Least probability that the best is preferred to what is rejected: of unfinished text, the reward
# says too little below it.
_TELLS = 0.6

# What the reward of an unfinished reply still moves by, in standard deviations of the branches'
# rewards, were the whole of it still to come. The reward is of a mean over tokens, so that with a
# share t / T read it moves by (1 - t / T) of that.
_TO_COME = 1.1

_PLAIN = 0
_NONE: NDArray[np.intp] = np.zeros(0, np.intp)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where branches stand at a checkpoint.

    Args:
        features: Of the text so far, ``(B, D)``.
        values: J of it, ``(B,)``.
        bonus: What of J is not the reward's, ``(B,)``.
        tokens: Length of the unfinished ones.
        finished: Which have ended, ``(B,)``.
        blank: Which have said nothing, ``(B,)``.
    """

    features: FloatArray
    values: FloatArray
    bonus: FloatArray
    tokens: int
    finished: NDArray[np.bool_]
    blank: NDArray[np.bool_]

    @classmethod
    def of(
        cls, branches: Branches, result: StepResult, reward: Reward, objective: Objective
    ) -> Standing:
        """Judge branches as they are after a step."""
        features, log_probs = branches.features(), branches.log_probs
        tokens = branches.token_counts
        return cls(
            features,
            objective.values(reward, features, log_probs=log_probs, tokens=tokens),
            objective.bonus(log_probs=log_probs, tokens=tokens),
            max(tokens),
            np.array(result.finished),
            np.array([not text.strip() for text in result.texts]),
        )

    def lead(self, reward: Reward, leader: int, others: NDArray[np.intp]) -> Score:
        """Return the log-odds that one branch is preferred to each of others, as they are."""
        ahead = np.repeat(self.features[[leader]], len(others), axis=0)
        found = reward.logit(ahead, self.features[others])
        return Score(found.mean + (self.bonus[leader] - self.bonus[others]), found.std)


@dataclass(frozen=True, slots=True)
class Pruning:
    """Gives up branches at checkpoints.

    Args:
        every: Tokens between checkpoints.
        reject: Share of the unfinished branches that is dropped at each (speculative rejection).
        settled: Least probability that a finished branch is preferred to what an unfinished one
            may become, from which that one is beaten; 1 for never.
    """

    every: int
    reject: float
    settled: float

    def judges(self, reward: Reward | None) -> bool:
        """Whether branches are judged on the way.

        Not where the words of the whole text decide, such as whether it keeps an instruction.
        """
        active = self.reject > 0.0 or self.settled < 1.0
        return active and reward is not None and not isinstance(reward, TextReward)

    def is_due(self, tokens: int, finished: Sequence[bool]) -> bool:
        """Whether there is something to judge after so many tokens."""
        comparable = self.reject > 0.0 or any(finished)
        return tokens % self.every == 0 and comparable and not all(finished) and len(finished) > 1

    def rejected(self, standing: Standing, reward: Reward) -> NDArray[np.intp]:
        """Return the worst of the unfinished branches, but never one that may be the best.

        The plain sample is not rejected, and what the reward cannot tell from the best one stays.
        """
        open_ = np.flatnonzero(~standing.finished)
        others = open_[open_ != _PLAIN]
        count = int(self.reject * len(others))
        if count == 0:
            return _NONE
        best = int(open_[standing.values[open_].argmax()])
        worst = others[np.argsort(standing.values[others], kind="stable")][:count]
        worst = worst[worst != best]
        sure = standing.lead(reward, best, worst).probability() >= _TELLS
        found: NDArray[np.intp] = worst[sure]
        return found

    def beaten(
        self, standing: Standing, reward: Reward, *, most_tokens: int
    ) -> tuple[NDArray[np.intp], float]:
        """Return unfinished branches that will hardly catch up with the best finished one.

        P(leader preferred to what b becomes), with what is still to come being unknown:
        σ( Δ / √(1 + π/8 · (s² + (1.1 · (1 - t / T) · sd(J))²)) ), s the reward's own spread.
        The plain sample is among them only together with all others.

        Returns:
            Their places, and the least of those probabilities.
        """
        ended = np.flatnonzero(standing.finished & ~standing.blank)
        open_ = np.flatnonzero(~standing.finished)
        if self.settled >= 1.0 or not len(ended) or not len(open_):
            return _NONE, 1.0
        leader = int(ended[standing.values[ended].argmax()])
        now = standing.lead(reward, leader, open_)
        to_come = _TO_COME * (1.0 - standing.tokens / most_tokens) * float(standing.values.std())
        later = Score(now.mean, np.hypot(now.std, np.float32(max(to_come, 0.0))))
        probability = later.probability()
        found = probability >= self.settled
        if not found.all():
            found &= open_ != _PLAIN
        return open_[found], float(probability[found].min(initial=1.0))

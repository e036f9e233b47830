"""What unfinished branches promise: their worth so far, or after some more tokens of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.decoding import Objective, Outlet, PrefixValue, depends_on
from persona_engine.interfaces import Branches, Reward, TextReward
from persona_engine.types import FloatArray, Sampling, StepResult

Places = NDArray[np.intp]
Values = NDArray[np.float64]
OnStep = Callable[[StepResult], None]


@dataclass(frozen=True, slots=True)
class Growth:
    """Branches after some steps.

    Args:
        result: What the last step produced.
        before: Features before the last step, ``(B, D)``.
        tokens: Tokens of each branch before the last step.
    """

    result: StepResult
    before: FloatArray
    tokens: tuple[int, ...]


def grow(branches: Branches, sampling: Sampling, *, steps: int, on_step: OnStep) -> Growth:
    """Append up to that many tokens to each branch; at least one.

    Args:
        branches: What grows.
        sampling: How.
        steps: Tokens.
        on_step: Told of each.
    """
    while True:
        steps -= 1
        before, tokens = branches.features(), branches.token_counts
        result = branches.step(sampling)
        on_step(result)
        if not steps or all(result.finished):
            return Growth(result, before, tokens)


@dataclass(frozen=True, slots=True)
class Promise:
    """Scores branches that grow.

    Args:
        reward: The person's reward.
        objective: What is climbed.
        look_ahead: Tokens that each branch is grown by before it is scored, and which are taken
            back; 0 scores what has been said.
        head: What a beginning will become; None judges it as it is.
        outlet: Told at every token, so that a reader who left can end decoding.
    """

    reward: Reward
    objective: Objective
    look_ahead: int
    head: PrefixValue | None
    outlet: Outlet

    def of(self, branches: Branches, open_: Places, sampling: Sampling, grown: Growth) -> Values:
        """Return J of each of the open branches, ``(n,)``; nothing has changed afterwards.

        It is 0 for all where the reward tells none from another: likelihood by itself is nothing
        to give way for.

        Args:
            branches: What grows.
            open_: Which are asked about.
            sampling: How they go on.
            grown: How they came where they are.
        """
        if not self.look_ahead:
            return self._of_features(branches, self._foreseen(branches, grown), open_)
        saved = branches.save()
        ahead = grow(
            branches, sampling, steps=self.look_ahead, on_step=lambda _: self.outlet.settle("")
        )
        features = self._foreseen(branches, ahead)
        values = self._of_features(branches, features, open_)
        values += self._by_words(branches, features, open_, ahead.result)
        branches.restore(saved)
        return values

    def _of_features(self, branches: Branches, features: FloatArray, open_: Places) -> Values:
        if not depends_on(self.reward, features[open_]):
            return np.zeros(len(open_))
        return self._values(branches, features, open_)

    def _foreseen(self, branches: Branches, grown: Growth) -> FloatArray:
        """Return the features ``(B, D)`` that the branches are expected to end with."""
        features, tokens = branches.features(), np.array(branches.token_counts)
        # What has not ended has equally many tokens.
        growing = np.flatnonzero(~np.array(grown.result.finished))
        if self.head is None or not len(growing):
            return features
        count = int(tokens[growing].max())
        said, before = (self.head.states(each[growing]) for each in (features, grown.before))
        newest = count * said - (count - 1) * before
        features = features.copy()
        features[growing] = self.head.foresee(features[growing], newest, tokens=count)
        return features

    def _values(
        self,
        branches: Branches,
        features: FloatArray,
        places: Places,
        texts: Sequence[str] | None = None,
    ) -> Values:
        found = self.objective.values(
            self.reward,
            features[places],
            log_probs=branches.log_probs[places],
            tokens=np.array(branches.token_counts)[places].tolist(),
            texts=texts,
        )
        return found.astype(np.float64)

    def _by_words(
        self, branches: Branches, features: FloatArray, open_: Places, result: StepResult
    ) -> Values:
        """Return what the words of those that ended add; to the others, as much on average.

        A rule about the whole says nothing of a text that has not ended.
        """
        added = np.zeros(len(open_))
        ended = np.array(result.finished)[open_]
        if not ended.any() or not isinstance(self.reward, TextReward):
            return added
        places = open_[ended]
        told = self._values(branches, features, places, [result.texts[each] for each in places])
        added[ended] = told - self._values(branches, features, places)
        added[~ended] = added[ended].mean()
        return added

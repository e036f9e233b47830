"""What unfinished branches promise: their worth so far, or after some more tokens of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.decoding import Objective, Outlet
from persona_engine.interfaces import Branches, Reward, TextReward
from persona_engine.types import Sampling, StepResult

Places = NDArray[np.intp]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Promise:
    """Scores branches that grow.

    Args:
        reward: The person's reward.
        objective: What is climbed.
        look_ahead: Tokens that each branch is grown by before it is scored, and which are taken
            back; 0 scores what has been said.
        outlet: Told at every token, so that a reader who left can end decoding.
    """

    reward: Reward
    objective: Objective
    look_ahead: int
    outlet: Outlet

    def of(self, branches: Branches, open_: Places, sampling: Sampling) -> Values:
        """Return J of each of the open branches, ``(n,)``; nothing has changed afterwards."""
        if not self.look_ahead:
            return self._values(branches, open_)
        saved = branches.save()
        for _ in range(self.look_ahead):
            result = branches.step(sampling)
            self.outlet.settle("")
            if all(result.finished):
                break
        values = self._values(branches, open_) + self._by_words(branches, open_, result)
        branches.restore(saved)
        return values

    def _values(
        self, branches: Branches, places: Places, texts: Sequence[str] | None = None
    ) -> Values:
        found = self.objective.values(
            self.reward,
            branches.features()[places],
            log_probs=branches.log_probs[places],
            tokens=np.array(branches.token_counts)[places].tolist(),
            texts=texts,
        )
        return found.astype(np.float64)

    def _by_words(self, branches: Branches, open_: Places, result: StepResult) -> Values:
        """Return what the words of those that ended add; to the others, as much on average.

        A rule about the whole says nothing of a text that has not ended.
        """
        added = np.zeros(len(open_))
        ended = np.array(result.finished)[open_]
        if not ended.any() or not isinstance(self.reward, TextReward):
            return added
        places = open_[ended]
        told = self._values(branches, places, [result.texts[place] for place in places])
        added[ended] = told - self._values(branches, places)
        added[~ended] = added[ended].mean()
        return added

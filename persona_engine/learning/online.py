"""When one step of Newton's method is enough, and when all answers are looked at again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self
from weakref import WeakKeyDictionary

import numpy as np

from persona_engine.config import EngineConfig
from persona_engine.interfaces import RewardModel, given
from persona_engine.learning.change import FEWEST, Changes
from persona_engine.types import Context, Evidence, Population, Posterior


@dataclass(frozen=True, slots=True)
class OnlinePolicy:
    """How a posterior follows a person's answers.

    Each answer moves it at once, by `RewardModel.update`. It is built again from all answers after
    every ``refit_every`` of them, and at once when one surprises; only then are changes of taste
    looked for, which a person who stays the same does not pay for.

    Args:
        refit_every: Answers between two exact refits.
        startling: Nats by which the new answers must be likelier for a stranger than for this
            person to be looked into.
        changes: Finds changes of taste.
    """

    refit_every: int = 16
    startling: float = 0.7
    changes: Changes = field(default_factory=Changes)
    _strangers: WeakKeyDictionary[Population, Posterior] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False, compare=False
    )

    @classmethod
    def configured(cls, config: EngineConfig) -> Self:
        """Return what an engine's settings say."""
        return cls(refit_every=config.refit_every, changes=Changes(config.change_hazard))

    def refits(
        self, model: RewardModel, population: Population, before: Posterior, new: Evidence
    ) -> bool:
        """Return whether these answers want all of them to be looked at again."""
        after = before.count + len(new)
        if after // self.refit_every > before.count // self.refit_every:
            return True
        if after < FEWEST or not self.changes.watches(model):
            return False
        return self._startled(model, population, before, new)

    def infer(self, model: RewardModel, population: Population, evidence: Evidence) -> Posterior:
        """Return the posterior after all answers, oldest first, as far as each still holds."""
        return model.infer(population, self.changes.reweighed(model, population, evidence))

    def _startled(
        self, model: RewardModel, population: Population, before: Posterior, new: Evidence
    ) -> bool:
        """Return whether answers are much likelier for a stranger than for this person."""
        stranger = self._strangers.get(population)
        if stranger is None:
            stranger = model.infer(population, Evidence.empty(new.width))
            self._strangers[population] = stranger
        asked = given(Context(new.prompt, new.texts) if model.reads else None)
        score = model.logits(
            population, [before, stranger], new.chosen, new.rejected, **asked
        )  # (2, n)
        damped = score.mean / np.sqrt(1.0 + np.pi / 8.0 * np.square(score.std))
        ours, theirs = (new.target * damped - np.logaddexp(0.0, damped)) @ new.weight
        return bool(theirs - ours > self.startling)

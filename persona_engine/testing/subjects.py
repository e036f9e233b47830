"""What the checks of a reward model share: the plugin, planted data, and one fit on each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from persona_engine.interfaces import RewardModel
from persona_engine.testing.kit import require_close
from persona_engine.testing.planted import Planted, plant
from persona_engine.types import (
    Evidence,
    FloatArray,
    Population,
    Posterior,
    PreferenceData,
    Score,
)

RewardModelFactory = Callable[[], RewardModel]
SEED = 20


class RewardModelSubject:
    """A reward model under test, fitted when a check first needs it."""

    def __init__(self, factory: RewardModelFactory) -> None:
        self.factory = factory

    @cached_property
    def model(self) -> RewardModel:
        """One instance that the checks share; checks of purity make a second one."""
        return self.factory()

    @property
    def is_personal(self) -> bool:
        """Whether features alone show the model how people differ; the kit has no words."""
        return self.model.personal and "texts" not in self.model.reads

    @cached_property
    def opposed(self) -> Planted:
        """Users whose tastes differ far more than they agree."""
        return self.replant()

    def replant(self) -> Planted:
        """Return `opposed` again, in arrays that nobody has touched."""
        return plant(seed=1, shared=0.4, personal=1.6)

    @cached_property
    def agreed(self) -> Planted:
        """Users who want much the same."""
        return plant(seed=2, shared=2.0, personal=0.3)

    @cached_property
    def population(self) -> Population:
        """What the model learned from the users of `opposed`."""
        return self.fit(self.opposed.data)

    @cached_property
    def agreed_population(self) -> Population:
        """What the model learned from the users of `agreed`, where little is personal."""
        return self.fit(self.agreed.data)

    def fit(self, data: PreferenceData, *, seed: int = SEED) -> Population:
        """Return a population fitted on data with a fixed seed."""
        return self.model.fit(data, rng=np.random.default_rng(seed))

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """A few comparisons of each of several users."""
        return self.opposed.support

    @cached_property
    def prior(self) -> Posterior:
        """What the model believes of a user whom it has never seen."""
        return self.model.infer(self.population, self.nothing)

    @cached_property
    def posterior(self) -> Posterior:
        """What the model believes of the first user."""
        return self.model.infer(self.population, self.evidence[0])

    @property
    def nothing(self) -> Evidence:
        """The evidence of a user who has not answered anything."""
        return Evidence.empty(self.opposed.data.width)

    @cached_property
    def probes(self) -> tuple[FloatArray, FloatArray]:
        """Pairs of replies nobody has seen, each ``(B, D)``."""
        rng = np.random.default_rng(SEED)
        a, b = rng.normal(size=(2, 32, self.opposed.data.width)).astype(np.float32)
        return a, b

    def logits(self, posterior: Posterior) -> Score:
        """Return the logits of the probes, ``(B,)``."""
        return self.model.logit(self.population, posterior, *self.probes)

    def require_same_logits(
        self,
        found: Posterior,
        expected: Posterior,
        what: str,
        *,
        remedy: str,
        tolerance: float = 1e-4,
    ) -> None:
        """Raise unless two posteriors say the same of the probes, and are equally sure."""
        left, right = self.logits(found), self.logits(expected)
        require_close(left.mean, right.mean, what, remedy=remedy, tolerance=tolerance)
        require_close(left.std, right.std, f"spread of {what}", remedy=remedy, tolerance=tolerance)

"""The wrapper that mutants are made from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_engine.interfaces import Progress, RewardModel, given, no_progress
from persona_engine.types import (
    Context,
    Evidence,
    FloatArray,
    Population,
    Posterior,
    PreferenceData,
    Score,
)


class Unchanged(RewardModel):
    """The wrapped model as it is: logit(a, b) = inner.logit(a, b); the control of the experiment.

    Reference: DeMillo, Lipton & Sayward 1978, "Hints on test data selection".
    """

    def __init__(self, inner: RewardModel) -> None:
        self.inner = inner
        self.name = inner.name
        self.personal = inner.personal
        self.exact_update = inner.exact_update
        self.pairwise = inner.pairwise
        self.multimodal = inner.multimodal
        self.reads = inner.reads

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        return self.inner.fit(data, rng=rng, progress=progress)

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        return self.inner.infer(population, evidence)

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        return self.inner.update(population, posterior, evidence)

    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        return self.inner.score(population, posteriors, responses, **given(context))

    def logit(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        return self.inner.logit(population, posterior, a, b, **given(context))

    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        return self.inner.embed(population, posterior)

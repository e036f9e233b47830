"""Mutants that believe the wrong thing of a user."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from persona_engine.interfaces import Progress, no_progress
from persona_engine.testing.mutants.wrapper import Unchanged
from persona_engine.types import Evidence, Population, Posterior, PreferenceData


class FlipsTheEvidence(Unchanged):
    """Reads chosen as rejected when it infers."""

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        flipped = replace(evidence, chosen=evidence.rejected, rejected=evidence.chosen)
        return self.inner.infer(population, flipped)


class LearnsTheOpposite(Unchanged):
    """Reads chosen as rejected when it fits."""

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        flipped = replace(data, chosen=data.rejected, rejected=data.chosen)
        return self.inner.fit(flipped, rng=rng, progress=progress)


class IgnoresEvidence(Unchanged):
    """Believes the prior whatever the user answers."""

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        prior = self.inner.infer(population, Evidence.empty(evidence.width))
        return replace(prior, count=len(evidence))


class TrustsTheLatest(Unchanged):
    """Weighs late comparisons more than early ones."""

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        recency = np.linspace(0.1, 2.0, len(evidence)).astype(np.float32)
        return self.inner.infer(population, replace(evidence, weight=evidence.weight * recency))


class IgnoresWeights(Unchanged):
    """Counts every comparison as one."""

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        return self.inner.infer(population, replace(evidence, weight=np.ones_like(evidence.weight)))


class DrawsAtRandom(Unchanged):
    """Adds noise to each inference."""

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        right = self.inner.infer(population, evidence)
        noise = np.random.default_rng().normal(size=right.mean.shape)
        return replace(right, mean=(right.mean + noise).astype(np.float32))


class PriorOfWhoeverCameFirst(Unchanged):
    """Takes the first user it meets for the prior of all strangers."""

    first: Evidence | None = None

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        if len(evidence) and self.first is None:
            self.first = evidence
        if len(evidence) or self.first is None:
            return self.inner.infer(population, evidence)
        return replace(self.inner.infer(population, self.first), count=0)


class UndefinedPrior(Unchanged):
    """Divides by the number of comparisons, also when there is none."""

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        right = self.inner.infer(population, evidence)
        with np.errstate(invalid="ignore"):
            factor = np.float32(len(evidence)) / np.float32(len(evidence))
        return replace(right, mean=right.mean * factor)


class GrowsUnsure(Unchanged):
    """Widens the posterior with each comparison."""

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        right = self.inner.infer(population, evidence)
        growth = np.float32((1 + len(evidence)) ** 1.5)
        return replace(right, covariance=right.covariance * growth)


class NeverGetsSurer(Unchanged):
    """Leaves the prior's spread whatever the user answers."""

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        prior = self.inner.infer(population, Evidence.empty(evidence.width))
        right = self.inner.infer(population, evidence)
        return replace(right, covariance=prior.covariance)


class ForgetsOnUpdate(Unchanged):
    """Infers from the new comparisons alone when it updates."""

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        posterior.require(population)
        fresh = self.inner.infer(population, evidence)
        return replace(fresh, count=posterior.count + len(evidence))


class CountsUpdatesTwice(Unchanged):
    """Counts each comparison of an update twice."""

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        doubled = replace(evidence, weight=2 * evidence.weight)
        return self.inner.update(population, posterior, doubled)


class CountsNothing(Unchanged):
    """Does not count the comparisons."""

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        return replace(self.inner.infer(population, evidence), count=0)


class DividesByTheDifference(Unchanged):
    """Divides by the distance of two replies, also when they are equal."""

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        right = self.inner.infer(population, evidence)
        length = np.linalg.norm(evidence.chosen - evidence.rejected, axis=1)
        with np.errstate(invalid="ignore"):
            return replace(right, mean=right.mean * np.prod(length / length, dtype=np.float32))

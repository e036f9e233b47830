"""Mutants that mix users up, change what is not theirs, or keep state where it gets lost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from persona_engine.interfaces import Progress, RewardModel, given, no_progress
from persona_engine.testing.mutants.wrapper import Unchanged
from persona_engine.types import (
    Context,
    CrowdEvidence,
    Evidence,
    FloatArray,
    Population,
    Posterior,
    PreferenceData,
    Score,
)


class LeaksBetweenUsers(Unchanged):
    """Infers each user from all who stand before in the list."""

    def infer_many(self, population: Population, evidence: Sequence[Evidence]) -> list[Posterior]:
        joined = [Evidence.joined(evidence[: n + 1]) for n in range(len(evidence))]
        return [self.infer(population, each) for each in joined]


class PadsWithTheNextUser(Unchanged):
    """Pads short users with the comparisons of the next one."""

    def infer_many(self, population: Population, evidence: Sequence[Evidence]) -> list[Posterior]:
        longest = max((len(each) for each in evidence), default=0)
        following = [*evidence[1:], *evidence[:1]]
        padded = [
            Evidence.joined([mine, other.take(np.arange(min(len(other), longest - len(mine))))])
            for mine, other in zip(evidence, following, strict=True)
        ]
        return [
            replace(self.infer(population, each), count=len(mine))
            for each, mine in zip(padded, evidence, strict=True)
        ]


class ScoresTheAverageUser(Unchanged):
    """Gives everybody the mean reward of all."""

    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        right = self.inner.score(population, posteriors, responses, **given(context))
        mean = np.broadcast_to(right.mean.mean(0), right.mean.shape)
        return Score(np.ascontiguousarray(mean), right.std)


class ShiftsTheCrowd(Unchanged):
    """Hands each user of a crowd the posterior of the one before."""

    def infer_crowd(self, population: Population, crowd: CrowdEvidence) -> Sequence[Posterior]:
        people = list(super().infer_crowd(population, crowd))
        return [*people[-1:], *people[:-1]]


class RemembersTheLastUser(Unchanged):
    """Adds the comparisons of whoever was inferred before."""

    last: Evidence | None = None

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        before, self.last = self.last, evidence
        both = (
            evidence if before is None or not len(evidence) else Evidence.joined([evidence, before])
        )
        return replace(self.inner.infer(population, both), count=len(evidence))


class WorksOnTheInstance(Unchanged):
    """Keeps working values on the instance, where another thread writes."""

    working: Evidence

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        self.working = evidence
        time.sleep(0.001)
        return self.inner.infer(population, self.working)


class ChangesEvidence(Unchanged):
    """Takes the differences in the caller's arrays."""

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        posterior = self.inner.infer(population, evidence)
        np.subtract(evidence.chosen, evidence.rejected, out=evidence.chosen)
        np.subtract(evidence.rejected, evidence.rejected, out=evidence.rejected)
        return posterior


class ChangesTheData(Unchanged):
    """Renumbers the users in the caller's array."""

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        data.user[:] = np.unique(data.user, return_inverse=True)[1]
        return self.inner.fit(data, rng=rng, progress=progress)


class UpdatesInPlace(Unchanged):
    """Writes the new spread into the old posterior."""

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        after = self.inner.update(population, posterior, evidence)
        if posterior.covariance.flags.writeable:
            posterior.covariance[:] = after.covariance
        return after


class KeepsThePopulation(Unchanged):
    """Uses the population of its own fit, not the one it is given."""

    learned: Population

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        self.learned = self.inner.fit(data, rng=rng, progress=progress)
        return self.learned

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        return self.inner.infer(self.learned, evidence)


class KeepsObjects(Unchanged):
    """Stores Python objects, which only pickle can store."""

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        right = self.inner.fit(data, rng=rng, progress=progress)
        return replace(right, arrays={**right.arrays, "settings": np.asarray([{}], dtype=object)})


class KeepsBeliefs(Unchanged):
    """Updates only posteriors that it has made itself."""

    def __init__(self, inner: RewardModel) -> None:
        super().__init__(inner)
        self.known: list[Posterior] = []

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        self.known.append(self.inner.infer(population, evidence))
        return self.known[-1]

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        if not any(posterior is each for each in self.known):
            posterior = self.inner.infer(population, Evidence.empty(evidence.width))
        self.known.append(self.inner.update(population, posterior, evidence))
        return self.known[-1]


class FitsAtRandom(Unchanged):
    """Fits on a random part of the data, of its own choice."""

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        keep = np.random.default_rng().random(len(data)) < 0.7
        keep[:2] = True
        return self.inner.fit(data.take(keep), rng=rng, progress=progress)


class SpoilsTheGlobalGenerator(Unchanged):
    """Seeds numpy's global generator, which belongs to the host."""

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        np.random.seed(0)
        return self.inner.fit(data, rng=rng, progress=progress)


class BreaksOnLittle(Unchanged):
    """Divides by the number of users less one when it fits."""

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        1 / (len(data.users) - 1)
        return self.inner.fit(data, rng=rng, progress=progress)

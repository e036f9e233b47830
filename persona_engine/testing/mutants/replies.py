"""Mutants that say the wrong thing of a reply."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from persona_engine.interfaces import RewardModel, given
from persona_engine.testing.mutants.wrapper import Unchanged
from persona_engine.types import Context, FloatArray, Population, Posterior, Score


class FlipsTheSign(Unchanged):
    """Prefers what the user rejects."""

    def logit(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        return self.inner.logit(population, posterior, b, a, **given(context))


class FavoursTheFirst(Unchanged):
    """Leans to the reply that is named first."""

    def logit(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        right = self.inner.logit(population, posterior, a, b, **given(context))
        return Score(right.mean + np.float32(0.3), right.std)


class JudgesAllAlike(Unchanged):
    """Gives several users the log-odds of the first."""

    def logits(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        first = [posteriors[0]] * len(posteriors)
        return self.inner.logits(population, first, a, b, **given(context))


class AddsSpreads(Unchanged):
    """Adds the spreads of two replies as if they were independent."""

    def logit(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        mean = self.inner.logit(population, posterior, a, b, **given(context)).mean
        apart = [self.inner.score(population, [posterior], each).std[0] for each in (a, b)]
        return Score(mean, np.hypot(*apart))


class ScoresOnAnotherScale(Unchanged):
    """Squashes scores but not logits."""

    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        right = self.inner.score(population, posteriors, responses, **given(context))
        return Score(np.tanh(right.mean), right.std)


class ScoresPairsBackwards(Unchanged):
    """Calls itself a model of pairs, and scores by how much others are preferred."""

    def __init__(self, inner: RewardModel) -> None:
        super().__init__(inner)
        self.pairwise = True

    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        right = self.inner.score(population, posteriors, responses, **given(context))
        return Score(-right.mean, right.std)


class AnswersInDoubles(Unchanged):
    """Returns float64."""

    def logit(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        right = self.inner.logit(population, posterior, a, b, **given(context))
        return Score(right.mean.astype(np.float64), right.std)


class AcceptsForeigners(Unchanged):
    """Takes a posterior of any population for one of this."""

    def logit(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        adopted = replace(posterior, population=population.version)
        return self.inner.logit(population, adopted, a, b, **given(context))


class EmbedsAllAlike(Unchanged):
    """Places every user at one point."""

    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        return np.zeros_like(self.inner.embed(population, posterior))


class EmbedsByChance(Unchanged):
    """Places users where their tastes do not matter: by the bits of their belief."""

    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        right = self.inner.embed(population, posterior)
        seed = zlib.crc32(posterior.mean.tobytes())
        return np.random.default_rng(seed).normal(size=right.shape).astype(np.float32)


class SaysNothing(Unchanged):
    """Works well."""

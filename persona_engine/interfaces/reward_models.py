"""Reward models: what all users share, then what one user prefers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from persona_engine.interfaces.progress import Progress, no_progress
from persona_engine.types import (
    Context,
    CrowdEvidence,
    Evidence,
    FloatArray,
    IntArray,
    LogLikelihood,
    Population,
    Posterior,
    PreferenceData,
    Score,
)


class RewardModel(ABC):
    """Learns what all users share, then what one user prefers.

    A plugin defines `fit`, `infer`, `score`, `logit` and `embed`; the rest has exact but plain
    defaults that it may replace by faster ones. Every method is pure: arguments are never changed
    and equal arguments give equal results.

    Attributes:
        name: The name that the plugin registers it under.
        personal: False for a method that predicts the same for every user; the conformance kit then
            leaves out what only a personal method can pass.
        exact_update: False for a method whose `update` only approximates `infer` on everything.
        pairwise: True for a method whose logits are of pairs, with no reward behind them: its
            `score` is the mean logit over usual responses, up to a constant, so that differences
            of scores are not logits.
        multimodal: True for a method whose posterior may have several modes, such as a mixture: an
            answer may move a user from one towards another, and the spread of a pair grow on the
            way. The kit then asks only that spreads do not grow on the mean over pairs.
        reads: What of a `Context`, and of ``prompt``, ``texts`` and ``attributes`` in the data, the
            method makes use of besides features; it is given nothing else, and must do without when
            it is given nothing.
    """

    name: str
    personal: bool = True
    exact_update: bool = True
    pairwise: bool = False
    multimodal: bool = False
    reads: frozenset[Literal["prompt", "texts", "attributes"]] = frozenset()

    @abstractmethod
    def fit(
        self,
        data: PreferenceData,
        *,
        rng: np.random.Generator,
        progress: Progress = no_progress,
    ) -> Population:
        """Learn what all users share. Hyper-parameters are chosen inside, on held-out users."""

    @abstractmethod
    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        """Return the posterior after ``n >= 0`` comparisons; ``n = 0`` gives the prior.

        The order of the comparisons makes no difference.
        """

    def infer_many(self, population: Population, evidence: Sequence[Evidence]) -> list[Posterior]:
        """Return the posterior of many users at once."""
        return [self.infer(population, each) for each in evidence]

    def infer_crowd(self, population: Population, crowd: CrowdEvidence) -> Sequence[Posterior]:
        """Return the posterior of many users who compared shared responses, as `infer` gives each.

        For bulk inference: a method that can project every response once may return a sequence
        that makes each posterior when it is asked for.
        """
        return self.infer_many(population, list(crowd))

    @abstractmethod
    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        """Return the posterior after further comparisons, as `infer` on all of them gives it."""

    @abstractmethod
    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the rewards of responses ``(B, D)`` for ``U`` users, each ``(U, B)``."""

    @abstractmethod
    def logit(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the log-odds that ``a`` is preferred to ``b``, both ``(B, D)``, row by row.

        The spread is that of the difference, not of the two rewards: what all candidates share
        cancels.
        """

    def logits(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the log-odds of ``U`` users at once, as `logit` gives each, ``(U, B)``."""
        scores = [self.logit(population, each, a, b, **given(context)) for each in posteriors]
        return Score(np.stack([each.mean for each in scores]), np.stack([x.std for x in scores]))

    @abstractmethod
    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        """Return the user's preference embedding, ``(k,)``: near users prefer alike."""

    def embed_many(self, population: Population, posteriors: Sequence[Posterior]) -> FloatArray:
        """Return the preference embeddings of one or more users, ``(U, k)``."""
        return np.stack([self.embed(population, each) for each in posteriors])


def given(context: Context | None) -> dict[str, Context]:
    """Return the keyword arguments that hand a context to `RewardModel.score` and ``logit``.

    None gives none, so that models that read features only need not know what a context is.
    """
    return {} if context is None else {"context": context}


@runtime_checkable
class AsksLanguageModel(Protocol):
    """A reward model whose `RewardModel.fit` needs a language model's log-likelihoods."""

    def asking(self, log_likelihood: LogLikelihood) -> RewardModel:
        """Return the same model, with a language model that ``fit`` may ask."""


@runtime_checkable
class ComparesHistories(Protocol):
    """A reward model that can tell how likely answers are, given those since some moment.

    With it the engine finds where a person's taste has changed. A model without it goes on working:
    older answers then only fade, as far as a half-life is set.
    """

    def log_likelihoods_since(
        self, population: Population, evidence: Evidence, starts: IntArray
    ) -> FloatArray:
        """Return ``log P(answer t | answers s … t-1)`` for each start ``s``, ``(C, n)``.

        0 where ``t < s``. What is predicted before any answer is the prior's.

        Args:
            population: What all users share.
            evidence: One user's comparisons, oldest first.
            starts: ``(C,)`` ascending rows.
        """

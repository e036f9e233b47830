"""Weights of the heads: the router reads the prompt, Hedge the user's answers so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import Doubles, log_sum, pair_loss
from persona_engine.types import FloatArray

RATES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Learning rates of Hedge to choose from; 1 is the Bayesian posterior over heads."""

_FEW_SHOTS = 32  # comparisons of a held-out user that count: the engine serves people with few


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Comparisons of some users, those of each user side by side.

    Args:
        rows: ``(N, R)`` differences in the principal axes.
        weight: ``(N,)`` strengths.
        target: ``(N,)`` shares of the preferences that go to the chosen responses.
        owner: ``(N,)`` place of each row's user, ascending.
        prompt: ``(N, Q)`` reduced features of the prompts; ``Q`` is 0 where there are none.
    """

    rows: FloatArray
    weight: FloatArray
    target: FloatArray
    owner: NDArray[np.int64]
    prompt: FloatArray

    def log_likelihood(self, heads: FloatArray) -> Doubles:
        """Return the log-likelihood of each comparison under each head, ``(N, K)``."""
        logits = (self.rows @ heads).astype(np.float64)
        loss: Doubles = self.weight[:, None] * pair_loss(logits, self.target[:, None])
        return -loss


def log_softmax(logits: Doubles) -> Doubles:
    """Return log-probabilities over the last axis."""
    result: Doubles = logits - log_sum(logits)[..., None]
    return result


def few_shot_gain(
    comparisons: Comparisons, likelihood: Doubles, router: Doubles, pooled: Doubles, rate: float
) -> Doubles:
    """Return each user's gain over pooled in nats per comparison, ``(U,)``.

    Each comparison is predicted from those before it: few-shot prediction at every number of shots.

    Args:
        comparisons: Of held-out users.
        likelihood: ``(N, K)`` log-likelihoods under the heads.
        router: ``(N, K)`` logits of the router.
        pooled: ``(N,)`` log-likelihoods under the pooled weights.
        rate: Learning rate of Hedge.
    """
    owner = comparisons.owner
    begin = np.flatnonzero(np.diff(owner, prepend=-1))
    count = np.diff(np.append(begin, len(owner)))
    total = np.cumsum(likelihood, axis=0) - likelihood
    before = total - np.repeat(total[begin], count, axis=0)
    gain = log_sum(log_softmax(router + rate * before) + likelihood) - pooled
    early = np.arange(len(owner)) - np.repeat(begin, count) < _FEW_SHOTS
    strength = np.add.reduceat(np.where(early, comparisons.weight, 0.0), begin)
    summed: Doubles = np.add.reduceat(np.where(early, gain, 0.0), begin)
    return summed / np.maximum(strength, 1e-12)

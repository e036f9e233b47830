"""What a pair of readings says of a text by itself: the implicit process reward."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from persona_engine.interfaces import Generator, Reward, TextReward
from persona_engine.types import Conversation, FloatArray, Score

LogLikelihood = Callable[[Sequence[str]], FloatArray]
"""Returns the summed log-probabilities ``(B,)`` of ``B`` texts, none of them blank."""


class ImplicitReward:
    """A person's reward plus the implicit process reward of a pair (tuned, reference).

    r(y) = r_u(y) + β Σ_t log π(y_t | x, y_<t) / π_ref(y_t | x, y_<t)

    What training moved π by is a reward, of every beginning of a text as well as of the whole
    (Yuan et al. 2024, arXiv 2412.01981; as a score of a tree's blocks in TreeBoN, Qiu et al. 2024,
    arXiv 2410.16033). π may also be the same model with the person's instructions in the prompt,
    and π_ref without: then it is the information that a text carries of the instructions, and
    needs no second model. It reads words, so `persona_engine.ranking` asks it for its features;
    beginnings are read as texts are.

    Use it where a tuned model is at hand but no verifier, or no reward learned from comparisons.
    It costs a reading of each text by either, without the cache of decoding.

    Args:
        tuned: Log-likelihoods under π.
        reference: Log-likelihoods under π_ref.
        beta: β, log-odds of being preferred for one nat of the ratio.
        reward: The person's own reward, or None.
    """

    def __init__(
        self,
        tuned: LogLikelihood,
        reference: LogLikelihood,
        *,
        beta: float,
        reward: Reward | None = None,
    ) -> None:
        self._tuned = tuned
        self._reference = reference
        self._beta = beta
        self._reward = reward

    def ratios(self, texts: Sequence[str]) -> FloatArray:
        """Return β log π(y) / π_ref(y) of texts or beginnings, ``(B,)``; 0 of blank ones."""
        found = np.zeros(len(texts), np.float32)
        rows = [row for row, text in enumerate(texts) if text.strip()]
        if rows:
            said = [texts[row] for row in rows]
            found[rows] = self._beta * (self._tuned(said) - self._reference(said))
        return found

    def of_texts(self, texts: Sequence[str], features: FloatArray) -> tuple[FloatArray, Reward]:
        """Return features with the ratio as last column, and a reward that adds it."""
        reward = self._reward
        if isinstance(reward, TextReward):
            features, reward = reward.of_texts(texts, features)
        columns = [features, self.ratios(texts)[:, None]]
        return np.hstack(columns).astype(np.float32), _Added(reward)

    def score(self, features: FloatArray) -> Score:
        """Return the person's own reward of features alone."""
        return _nothing(len(features)) if self._reward is None else self._reward.score(features)

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        """Return the person's own log-odds of features alone."""
        return _nothing(len(a)) if self._reward is None else self._reward.logit(a, b)


def likelihood_after(generator: Generator, conversation: Conversation) -> LogLikelihood:
    """Return the log-likelihoods of texts as replies to a conversation by a model."""
    return lambda texts: generator.log_likelihood([conversation] * len(texts), texts)


class _Added:
    """The reward of features whose last column is one more reward."""

    def __init__(self, reward: Reward | None) -> None:
        self._reward = reward

    def score(self, features: FloatArray) -> Score:
        """Return rewards ``(B,)`` of features ``(B, D + 1)``."""
        plain, more = features[:, :-1], features[:, -1]
        found = _nothing(len(plain)) if self._reward is None else self._reward.score(plain)
        return Score(found.mean + more, found.std)

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        """Return log-odds ``(B,)`` that ``a`` is preferred to ``b``."""
        reward, more = self._reward, a[:, -1] - b[:, -1]
        found = _nothing(len(a)) if reward is None else reward.logit(a[:, :-1], b[:, :-1])
        return Score(found.mean + more, found.std)


def _nothing(count: int) -> Score:
    return Score(np.zeros(count, np.float32), np.zeros(count, np.float32))

"""What every search climbs: the person's reward, its uncertainty, and how likely the text is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.errors import ConfigError
from persona_engine.interfaces import Reward, TextReward
from persona_engine.types import FloatArray


@dataclass(frozen=True, slots=True)
class Objective:
    """J(y) = E[r(y)] − c · sd[r(y)] + w / |y| · Σ_t log p(y_t | y_<t).

    The reward and the log-probability are both means over the tokens, so that J says the same of
    the beginning of a reply, of one more token, and of the whole: w has one meaning in every
    decoder. The likelihood keeps the reward from being bought with gibberish, as the KL term of
    KL-regularised search does (controlled decoding, Mudgal et al. 2024, arXiv 2310.17022). The
    lower confidence bound keeps a search from climbing what the posterior only guesses, which is
    what over-optimisation is (Gao et al. 2022, arXiv 2210.10760).

    Args:
        caution: c, standard deviations taken off; the spread is that of the reward relative to the
            other branches, which is what a choice between them rests on.
        likelihood: w, log-odds of being preferred that one nat per token is worth.

    Raises:
        ConfigError: A value is not a finite number from 0 on.

    Examples:
        >>> Objective(likelihood=2.0).bonus(log_probs=[-6.0, -9.0], tokens=[3, 3]).tolist()
        [-4.0, -6.0]
    """

    caution: float = 0.0
    likelihood: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("caution", self.caution), ("likelihood", self.likelihood)):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or value < 0.0:
                raise ConfigError(f"{name} is {value!r}, expected a finite number from 0 on")

    def values(
        self,
        reward: Reward,
        features: FloatArray,
        *,
        log_probs: Sequence[float] | FloatArray,
        tokens: Sequence[int],
        texts: Sequence[str] | None = None,
    ) -> FloatArray:
        """Return J of some texts, ``(B,)``.

        Args:
            reward: The person's reward.
            features: Of the texts, ``(B, D)``.
            log_probs: Their summed log-probabilities, ``(B,)``.
            tokens: Their lengths.
            texts: The texts themselves where they are whole, so that rewards which read words
                (what verifiers say, a host's function) count them; None for beginnings.
        """
        if texts is not None and isinstance(reward, TextReward):
            features, reward = reward.of_texts(texts, features)
        found: FloatArray = reward.score(features).mean
        if self.caution:
            centre = np.broadcast_to(features.mean(0, dtype=np.float32), features.shape)
            spread = reward.logit(features, np.ascontiguousarray(centre)).std
            found = found - self.caution * spread
        return found + self.bonus(log_probs=log_probs, tokens=tokens)

    def bonus(
        self, *, log_probs: Sequence[float] | FloatArray, tokens: Sequence[int]
    ) -> FloatArray:
        """Return what likelihood adds to J, ``(B,)``: w times the mean over a text's tokens.

        Raises:
            ConfigError: It counts, and a log-probability is not known.
        """
        if self.likelihood and not np.isfinite(log_probs).all():
            raise ConfigError(
                f"likelihood is {self.likelihood!r}, but the generator offers no log-probabilities",
                remedy="set likelihood to 0",
            )
        if not self.likelihood:
            return np.zeros(len(tokens), np.float32)
        lengths = np.maximum(np.asarray(tokens, np.float32), np.float32(1.0))
        mean: FloatArray = np.divide(log_probs, lengths, dtype=np.float32)
        return np.float32(self.likelihood) * mean


PLAIN_REWARD = Objective()

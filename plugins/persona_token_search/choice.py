"""Which token goes on: the plausible ones, their worth, and one of them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import FloatArray

How = Literal["sampled", "best"]

_HALVINGS = 30


def plausible_tokens(log_probs: FloatArray, *, most: int, share: float) -> NDArray[np.int64]:
    """Return the likeliest tokens, best first, none far less likely than the first.

    The mask of contrastive decoding (Li et al. 2022, arXiv 2210.15097): where the model is sure, it
    leaves one token, and there is nothing to search.

    Args:
        log_probs: Of the next token, ``(V,)``.
        most: Most tokens to return, k.
        share: Least probability of a token as a share of the likeliest one's.

    Examples:
        >>> log_probs = np.log(np.array([0.1, 0.5, 0.36, 0.04]))
        >>> plausible_tokens(log_probs, most=3, share=0.1)
        array([1, 2, 0])
        >>> plausible_tokens(log_probs, most=3, share=0.8)
        array([1])
    """
    above = np.flatnonzero(log_probs >= log_probs.max() + np.log(max(share, 1e-30)))
    return above[np.argsort(-log_probs[above], kind="stable")][:most]


def tilt(log_probs: FloatArray, added: FloatArray, *, most_kl: float) -> FloatArray:
    """Return log p(v) + ω · added(v), ``(k,)``: the greatest ω up to 1 within a trust region.

    The tokens' distribution q ∝ p · exp(ω · added) stays within KL(q ‖ p) ≤ most_kl nats of the
    model's own: a reward learned on whole replies may be far out in mid-sentence, and no single
    token is bought at more than that.

    Args:
        log_probs: Of the tokens, ``(k,)``.
        added: What the reward adds, in nats, ``(k,)``.
        most_kl: Largest divergence from the model's own choice among these tokens.

    Examples:
        >>> log_probs = np.log(np.array([0.5, 0.5]))
        >>> np.diff(tilt(log_probs, np.array([0.0, 1.0]), most_kl=1.0))
        array([1.])
        >>> tilted = np.exp(tilt(log_probs, np.array([0.0, 99.0]), most_kl=0.1))
        >>> (tilted / tilted.sum()).round(2)
        array([0.28, 0.72])
    """
    log_probs = log_probs - np.logaddexp.reduce(log_probs)
    added = added - added.max()
    low, high = 0.0, 1.0
    if _divergence(log_probs, added) <= most_kl:
        return log_probs + added
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        within = _divergence(log_probs, middle * added) <= most_kl
        low, high = (middle, high) if within else (low, middle)
    return log_probs + low * added


def _divergence(log_probs: FloatArray, added: FloatArray) -> float:
    """Return KL(q ‖ p) of q ∝ p · exp(added); it grows with the scale of ``added``."""
    log_mass = np.logaddexp.reduce(log_probs + added)
    q = np.exp(log_probs + added - log_mass)
    return float(q @ added - log_mass)


def choose(worth: FloatArray, *, how: How, temperature: float, rng: np.random.Generator) -> int:
    """Return the place of the token that goes on.

    Args:
        worth: log p(v) and what the reward adds, in nats, ``(k,)``.
        how: The best one, or one drawn with probability ∝ exp(worth / temperature), by the Gumbel
            trick (Maddison et al. 2014, arXiv 1411.0030).
        temperature: Of the draw.
        rng: Decides the draw.

    Examples:
        >>> choose(np.array([0.1, 0.9]), how="best", temperature=1.0,
        ...        rng=np.random.default_rng(0))
        1
    """
    if how == "sampled":
        return int(np.argmax(worth + temperature * rng.gumbel(size=len(worth))))
    return int(np.argmax(worth))

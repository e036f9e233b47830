"""Sums of differences of log-probabilities: as readings of one model, or over several models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from persona_engine.types import FloatArray, IntArray, Reading, Sampling

_FLOOR = np.float32(-700.0)  # a difference of two impossible tokens is none


@dataclass(frozen=True, slots=True)
class Contrast:
    """One term λ (log p_toward − log p_away), of readings by the same model.

    Args:
        weight: λ.
        toward: What the reply is drawn to; its own weight does not count.
        away: What it is drawn from.
    """

    weight: float
    toward: Reading
    away: Reading


def combined_readings(base: Reading, contrasts: Sequence[Contrast]) -> tuple[Reading, ...]:
    """Return base + Σ λ_i (toward_i − away_i) as readings, each thing that is read only once.

    Args:
        base: The plain reading; it stays the first.
        contrasts: What is added to it, in any number.

    Examples:
        >>> told = Reading(({"role": "user", "content": "Plan my day. I am vegan."},))
        >>> bare = Reading(({"role": "user", "content": "Plan my day."},))
        >>> [each.weight for each in combined_readings(told, [Contrast(0.5, told, bare)])]
        [1.5, -0.5]
    """
    sources = [_source(base)]
    weights = [base.weight]
    for each in contrasts:
        toward, away = _source(each.toward), _source(each.away)
        if toward == away:
            continue
        for source, weight in ((toward, each.weight), (away, -each.weight)):
            if source not in sources:
                sources.append(source)
                weights.append(0.0)
            weights[sources.index(source)] += weight
    pairs = list(zip(sources, weights, strict=True))
    return tuple(
        replace(source, weight=weight)
        for place, (source, weight) in enumerate(pairs)
        if place == 0 or weight != 0.0
    )


def combined_log_probs(
    base: FloatArray, weights: FloatArray, toward: FloatArray, away: FloatArray, *, plausible: float
) -> FloatArray:
    """Return log p ∝ log p_base + λ (log p_toward − log p_away), ``(B, V)``, by several models.

    What `persona_engine.types.Prompt` says of the readings of one model: tokens below ``plausible``
    times the likeliest token's probability under the base are left out (−∞), before the others are
    normalised again.

    Args:
        base: Log-probabilities of the next token, ``(B, V)``.
        weights: λ of each row, ``(B,)``.
        toward: Log-probabilities by the expert, ``(B, V)``.
        away: Log-probabilities by the reference, ``(B, V)``.
        plausible: Share of the likeliest token's probability; 0 for every token.
    """
    difference = np.maximum(toward, _FLOOR) - np.maximum(away, _FLOOR)
    mixed = base + weights[:, None] * difference
    likeliest = base.max(-1, keepdims=True)
    least = likeliest + np.log(plausible) if plausible > 0.0 else np.float32(-np.inf)
    mixed = np.where((base >= least) & (base > _FLOOR), mixed, np.float32(-np.inf))
    top = mixed.max(-1, keepdims=True)
    found: FloatArray = mixed - top - np.log(np.exp(mixed - top).sum(-1, keepdims=True))
    return found.astype(np.float32)


def draw(log_probs: FloatArray, uniforms: FloatArray, sampling: Sampling) -> IntArray:
    """Draw one token for each row, by temperature and nucleus, ``(B,)``.

    Args:
        log_probs: Of the next token, ``(B, V)``.
        uniforms: One number in [0, 1) for each row, at which its distribution is inverted.
        sampling: Temperature and nucleus.
    """
    if sampling.temperature == 0.0:
        likeliest: IntArray = log_probs.argmax(-1)
        return likeliest
    rows = zip(log_probs.astype(np.float64), uniforms.tolist(), strict=True)
    return np.array([_draw_row(row, uniform, sampling) for row, uniform in rows])


def _draw_row(log_probs: FloatArray, uniform: float, sampling: Sampling) -> int:
    possible = np.flatnonzero(np.isfinite(log_probs))
    scaled = log_probs[possible] / sampling.temperature
    order = np.argsort(-scaled, kind="stable")
    share = np.exp(scaled[order] - scaled[order[0]])
    share /= share.sum()
    kept = np.where(np.cumsum(share) - share < sampling.top_p, share, 0.0)
    total = np.cumsum(kept)
    place = np.searchsorted(total, uniform * total[-1], side="right")
    # A product that rounds up to the total must not go past the last token that is kept.
    return int(possible[order[min(place, np.flatnonzero(kept)[-1])]])


def _source(reading: Reading) -> Reading:
    return replace(reading, conversation=tuple(reading.conversation), weight=1.0)

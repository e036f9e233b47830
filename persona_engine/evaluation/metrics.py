"""Figures of merit of predicted preferences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from persona_engine.evaluation.dataset import Doubles
from persona_engine.types import IntArray, Score

BINS = 10
SMALLEST_PROBABILITY = 1e-6
SMALLEST_GROUP = 5


def predicted(score: Score) -> Doubles:
    """Return 1 where the preferred side has the larger reward, else 0, and ½ for an exact tie.

    Examples:
        >>> predicted(Score(np.float32([2, 0, -1]), np.zeros(3, np.float32))).tolist()
        [1.0, 0.5, 0.0]
    """
    return 0.5 * (np.sign(score.mean).astype(np.float64) + 1.0)


def negative_log_likelihood(probability: Doubles) -> float:
    """Return the mean of -log P(preferred), with P no smaller than 1e-6.

    Examples:
        >>> round(negative_log_likelihood(np.array([0.5, 0.5])), 4)
        0.6931
    """
    return float(-np.log(np.clip(probability, SMALLEST_PROBABILITY, 1.0)).mean())


def calibration_bins(probability: Doubles, weight: Doubles | None = None) -> Doubles:
    """Return the reliability diagram's bins: weight, predicted and observed sums, ``(10, 3)``.

    Every pair is counted from both of its sides, P with the outcome 1 and 1 - P with the outcome 0,
    because which of the two texts comes first means nothing. Otherwise the outcome would always be
    1; drawing a side at random estimates the same with noise.

    Args:
        probability: Predicted probability of what was preferred, ``(n,)``.
        weight: ``(n,)`` weight of each pair; ones if omitted.
    """
    share = np.ones(len(probability)) if weight is None else weight
    sure = np.maximum(probability, 1.0 - probability)  # of the likelier side, 0.5 to 1
    right = 0.5 * (np.sign(probability - 0.5) + 1.0)
    bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    likelier = _sums(bins, share / 2.0, sure, right)
    other = _sums(BINS - 1 - bins, share / 2.0, 1.0 - sure, 1.0 - right)
    return likelier + other


def _sums(bins: IntArray, weight: Doubles, expected: Doubles, observed: Doubles) -> Doubles:
    """Return weight, expected and observed sums of each bin, ``(10, 3)``."""
    columns = (weight, weight * expected, weight * observed)
    return np.stack([np.bincount(bins, each, BINS) for each in columns], 1)


def expected_calibration_error(bins: Doubles) -> float:
    """Return Σ_b (w_b / w) |observed_b - predicted_b| of `calibration_bins`.

    Naeini, Cooper and Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian
    binning", with ten bins of equal width.

    Examples:
        >>> sure_and_half_right = np.array([1.0, 0.0])
        >>> expected_calibration_error(calibration_bins(sure_and_half_right))
        0.5
    """
    total = bins[:, 0].sum()
    return float(np.abs(bins[:, 2] - bins[:, 1]).sum() / total) if total > 0 else math.nan


def worst_decile(values: Doubles) -> float:
    """Return the mean over the tenth of the people, at least one, with the lowest values.

    Examples:
        >>> worst_decile(np.arange(20.0))
        0.5
    """
    return float(np.sort(values)[: max(1, math.ceil(len(values) / 10))].mean())


def worst_group(groups: Mapping[str, Sequence[float]]) -> float | None:
    """Return the lowest mean accuracy of any group, None when there is no group.

    Args:
        groups: Accuracy of each person on the queries of each group; groups of fewer than five
            people are left out.

    Examples:
        >>> worst_group({"north": [0.5] * 5, "south": [1.0] * 5, "tiny": [0.0]})
        0.5
    """
    means = [float(np.mean(each)) for each in groups.values() if len(each) >= SMALLEST_GROUP]
    return min(means, default=None)

"""From comparisons to a Gaussian over the latent, and the points that stand for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from persona_engine.types import FloatArray
from persona_vpl.network import (
    Array,
    Parameters,
    attend,
    flow,
    library_of,
    mean_gaussian,
    product_gaussian,
)
from persona_vpl.settings import Aggregation


@dataclass(frozen=True, slots=True)
class Belief:
    """What a context says of one user, or of a batch of them.

    Args:
        mean: ``(..., k)`` of the Gaussian before any flow.
        log_variance: ``(..., k)``.
        pulls: ``(..., k)`` part of the context that turns round with its labels; flows read it.
        commons: ``(..., k)`` part that stays.
    """

    mean: Array
    log_variance: Array
    pulls: Array
    commons: Array


def believe(
    parameters: Parameters,
    pairs: Array,
    swapped: Array | None,
    weight: Array,
    *,
    aggregation: Aggregation,
) -> Belief:
    """Return the belief after a context.

    Args:
        parameters: The networks'.
        pairs: ``(..., n, k)`` embeddings of comparisons as answered.
        swapped: ``(..., n, k)`` embeddings of the same with the labels swapped; None
            where no flow reads them.
        weight: ``(..., n)`` strength of each; 0 for what only fills a batch.
        aggregation: How comparisons become one Gaussian.
    """
    attended = attend(parameters, pairs, weight)
    if aggregation == "mean":
        mean, log_variance = mean_gaussian(parameters, attended, weight)
    else:
        mean, log_variance = product_gaussian(parameters, pairs, attended, weight)
    if swapped is None:
        return Belief(mean, log_variance, 0.0 * mean, 0.0 * mean)
    share = weight[..., None] / (1.0 + weight.sum(-1)[..., None, None])
    return Belief(
        mean=mean,
        log_variance=log_variance,
        pulls=0.5 * (share * (pairs - swapped)).sum(-2),
        commons=0.5 * (share * (pairs + swapped)).sum(-2),
    )


def spread_points(parameters: Parameters, belief: Belief, noise: Array) -> Array:
    """Return latents ``(..., S, k)`` at ``noise (..., S, k)`` standard deviations, after flows."""
    library = library_of(noise)
    deviation = library.exp(0.5 * belief.log_variance)[..., None, :]
    base = belief.mean[..., None, :] + deviation * noise
    moved, _ = flow(parameters, base, belief.pulls[..., None, :], belief.commons[..., None, :])
    return moved


def cubature(latent: int) -> FloatArray:
    """Return ``2k`` points ``(2k, k)`` with the mean and covariance of N(0, I).

    The spherical-radial rule of degree three (Arasaratnam & Haykin 2009, "Cubature Kalman
    filters"), turned by a Hadamard matrix: every coordinate of every point is ±1, so each point is
    as far out as a Gaussian draw is, where the unturned rule goes out √k along one axis.

    Examples:
        >>> points = cubature(4)
        >>> bool(np.allclose(points.T @ points / len(points), np.eye(4)))
        True
    """
    signs = np.ones((1, 1), np.float32)
    while len(signs) < latent:
        signs = np.block([[signs, signs], [signs, -signs]]).astype(np.float32)
    return np.concatenate([signs, -signs])

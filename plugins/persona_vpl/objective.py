"""The terms of the variational objective, for numpy and torch arrays alike."""

from __future__ import annotations

import math

from persona_vpl.network import Array, library_of, softplus


def divergence(mean: Array, log_variance: Array) -> Array:
    """Return KL(N(mean, exp(log_variance)) ‖ N(0, I)) over the last axis."""
    library = library_of(mean)
    return -0.5 * (1.0 + log_variance - mean * mean - library.exp(log_variance)).sum(-1)


def flow_divergence(
    mean: Array, log_variance: Array, base: Array, moved: Array, log_determinant: Array
) -> Array:
    """Return a one-draw estimate of the divergence of a flow's output from N(0, I).

    ``log q(base) - log_determinant - log N(moved; 0, I)``, ``base`` drawn from the Gaussian.
    """
    library = library_of(mean)
    deviation = (base - mean) / library.exp(0.5 * log_variance)
    log_base = -0.5 * (log_variance + deviation * deviation).sum(-1)
    return log_base - log_determinant + 0.5 * (moved * moved).sum(-1)


def annealing(step: float, total: float, *, baseline: float = 0.1) -> float:
    """Return the share of the divergence that counts at a step: a cosine rise, then 1.

    Examples:
        >>> [round(annealing(step, 100), 2) for step in (0, 50, 100, 200)]
        [0.1, 0.55, 1.0, 1.0]
    """
    rise = 0.5 * (1.0 - math.cos(math.pi * min(step / total, 1.0)))
    return rise * (1.0 - baseline) + baseline


def reconstruction(logits: Array, target: Array) -> Array:
    """Return ``log(1 + exp(d)) - target · d`` of each comparison."""
    return softplus(-logits) + (1.0 - target) * logits


def swap_guidance(
    mean: Array, log_variance: Array, swapped_mean: Array, swapped_log_variance: Array
) -> Array:
    """Return SPL's penalty ``½(1 + cos(μ, μ')) + 0.1 · ½(1 - cos(ℓ, ℓ'))`` over the last axis.

    ``μ'`` and ``ℓ'`` are mean and log-variance of the same context with all labels swapped: the
    mean should turn round, the spread stay. A collapsed posterior, which says the same of both,
    pays most.
    """
    turned = 0.5 * (1.0 + _cosine(mean, swapped_mean))
    changed = 0.5 * (1.0 - _cosine(log_variance, swapped_log_variance))
    return turned + 0.1 * changed


def _cosine(left: Array, right: Array) -> Array:
    library = library_of(left)
    lengths = [library.sqrt((each * each).sum(-1) + 1e-12) for each in (left, right)]
    return (left * right).sum(-1) / (lengths[0] * lengths[1])

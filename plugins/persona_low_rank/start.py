"""Where the joint fits begin: the singular vectors of what the pooled reward leaves unexplained."""

from __future__ import annotations

import numpy as np

from persona_engine.modelling import Doubles, residual, sigmoid
from persona_low_rank.joint import Fit, Sample


def spectral_start(sample: Sample, shared: Doubles, *, rank: int, ridge: float) -> Fit:
    """Return the basis ``[shared, B]`` and users ``z`` that the residuals suggest.

    The user × pair matrix of residuals ``target - p`` is as sparse as the answers are. Times the
    pairs' features, whitened, it is a full ``(U, R)`` matrix with the same row space as far as
    features can tell, and its leading singular vectors need no imputation of the pairs that a user
    never saw. Where pairs recur it is PReF's decomposition; where they never do, it still is one.

    Args:
        sample: The comparisons.
        shared: ``(R,)`` the pooled weights.
        rank: Number of singular vectors.
        ridge: Damps the whitening of axes that are hardly ever seen.
    """
    logits = sample.rows @ shared.astype(np.float32)
    pull = sample.weight * residual(logits, sample.target)
    seen = sample.summed(sample.rows * pull[:, None]).astype(np.float64)  # (U, R)
    p = sigmoid(logits)
    weighted = sample.rows * np.sqrt(sample.weight * p * (1.0 - p))[:, None]
    information = (weighted.T @ weighted).astype(np.float64) / sample.users
    values, vectors = np.linalg.eigh(information)
    damped = np.maximum(values, 0.0) + ridge / sample.users
    root = (vectors / np.sqrt(damped)) @ vectors.T
    users, strength, axes = np.linalg.svd(seen @ root, full_matrices=False)
    rank = min(rank, len(strength))
    scale = np.sqrt(sample.users)
    sign = _signs(axes[:rank])
    length = strength[:rank] / scale
    length = np.maximum(length, 1e-3 * max(1e-3, float(length.max(initial=0.0))))
    basis = (root @ axes[:rank].T) * (sign * length / np.maximum(1.0, length))
    return Fit(np.column_stack([shared, basis]), users[:, :rank] * (sign * scale))


def _signs(axes: Doubles) -> Doubles:
    """Return the sign of each axis's largest weight, so that a start is the same everywhere."""
    sign = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])
    return np.where(sign == 0.0, 1.0, sign)

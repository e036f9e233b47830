"""What a population with a smooth shared reward holds."""

from __future__ import annotations

import numpy as np

from persona_engine.modelling import Differences, Doubles
from persona_engine.types import FloatArray
from persona_hierarchical.recall import key_axes
from persona_hierarchical.smooth import Recurring, fit_weights, with_spread
from persona_hierarchical.smooth_selection import RIDGES, SmoothChoice


def smooth_arrays(
    differences: Differences, comparisons: Recurring, choice: SmoothChoice
) -> dict[str, FloatArray]:
    """Fit the reward on everybody; return it with users as `LinearLatentModel` reads them.

    Features are the nearness to the landmarks. Where users differ, a user's logits are ``1 + s z``
    times the shared ones.
    """
    weight, target = differences.weight, differences.target
    w: Doubles | None = None
    for ridge in RIDGES:
        if ridge >= choice.ridge:
            w = fit_weights(comparisons, weight, target, ridge, start=w)
    assert w is not None  # the chosen penalty is one of them
    fitted = with_spread(comparisons, weight, w, choice.ridge)
    scales = choice.scales
    factors = np.array([scales.shared, scales.spread][: 1 + choice.personal])  # (1+K,)
    square = float(np.square(comparisons.difference(comparisons.coordinates @ w)).mean())
    metric = square * np.outer(factors, factors)
    metric += 1e-6 * max(1e-6, float(np.trace(metric))) * np.eye(len(metric))
    arrays = {
        **comparisons.landmarks.arrays(),
        "projection": comparisons.whiten @ np.outer(w, factors),
        "shared_factor": scales.shared * comparisons.whiten @ fitted.root,
        "centre": comparisons.nearness.mean(0),
        "embedding": np.linalg.cholesky(metric).T,
        "width": np.array([scales.width]),
    }
    if scales.recall:
        arrays["recall"] = np.array([scales.recall])
        arrays["key"] = key_axes(1.0 / np.maximum(comparisons.nearness.std(0), 1e-6))
    return {key: np.ascontiguousarray(value, np.float32) for key, value in arrays.items()}

"""Rewards of responses by their distance, or angle, to a user's ideal point among prototypes.

The ideal point is ``u = Σ_k w_k p_k``, so all that a response ``x`` needs are ``|x|²`` and
``x·p_k``, and all that the prototypes need are ``p_k·p_l``: inference works on ``K`` numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import Doubles

Floats = NDArray[np.floating]

Metric = Literal["dist", "angle"]

_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Places:
    """Where responses lie among the prototypes; leading axes ``…`` broadcast.

    Args:
        square: ``(…,)`` squared lengths ``|x|²``.
        inner: ``(…, K)`` inner products ``x·p_k``.
        gram: ``(…, K, K)`` inner products of the prototypes.
    """

    square: Doubles
    inner: Doubles
    gram: Doubles


def places_of(points: NDArray[np.floating], prototypes: NDArray[np.floating]) -> Places:
    """Return the places of points ``(B, d)`` among prototypes ``(K, d)`` or ``(B, K, d)``."""
    x, p = points.astype(np.float64), prototypes.astype(np.float64)
    inner = x @ p.T if p.ndim == 2 else np.einsum("bd,bkd->bk", x, p)
    return Places(np.square(x).sum(-1), inner, p @ np.swapaxes(p, -1, -2))


def reward(metric: Metric, scale: float, places: Places, w: Doubles) -> tuple[Doubles, Doubles]:
    """Return rewards ``(…,)`` under weights ``w (…, K)``, and their gradient by ``w``, ``(…, K)``.

    ``dist``: ``-scale · ‖x - u‖``; ``angle``: ``scale · cos(x, u)``.
    """
    pulled = (places.gram @ w[..., None])[..., 0]  # p_k·u
    length = (w * pulled).sum(-1)  # |u|²
    along = (w * places.inner).sum(-1)  # x·u
    if metric == "dist":
        distance = np.sqrt(np.maximum(places.square - 2.0 * along + length, _TINY))
        slope = (places.inner - pulled) / distance[..., None]
        return -scale * distance, scale * slope
    norms = np.sqrt(np.maximum(places.square * length, _TINY))
    cosine = along / norms
    turn = places.inner / norms[..., None]
    turn = turn - (cosine / np.maximum(length, _TINY))[..., None] * pulled
    return scale * cosine, scale * turn


def by_logits(slope: Doubles, w: Doubles) -> Doubles:
    """Turn a gradient by weights ``(…, K)`` into one by their softmax logits."""
    turned: Doubles = w * (slope - (w * slope).sum(-1, keepdims=True))
    return turned


def within_reach(x: Floats, reach: float) -> Floats:
    """Return responses ``(n, R)`` no farther from the mean than ``reach``, in their directions.

    The axes are standardised by how much they tell pairs apart, so that a response that was hardly
    ever compared may lie many times as far out as the others, and would rule the projector.

    Examples:
        >>> within_reach(np.array([[6.0, 8.0], [0.3, 0.4]]), 5.0).tolist()
        [[3.0, 4.0], [0.3, 0.4]]
    """
    far = np.linalg.norm(x, axis=-1, keepdims=True)
    inside: Floats = x * np.minimum(1.0, reach / np.maximum(far, 1e-12)).astype(x.dtype)
    return inside


def usual_reach(x: Floats) -> float:
    """Return twice the median distance of responses ``(n, R)`` from the mean."""
    return 2.0 * float(np.median(np.linalg.norm(x, axis=-1)))

"""What a lasting taste has to do with a request: nearness, and what such requests touched before.

Which tastes a question touches takes knowledge of the world: a glass floor bears on a fear of
heights. Some of it stands in sentence embeddings, some in the pairs that were written for training,
which are kept and looked up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from persona_applicability.space import Weights
from persona_engine.types import FloatArray

WIDTH = 3
"""How many features there are."""
_NEIGHBOURS = 10
_HUB = 0.7  # how much being near to every request takes off
_SHARP = 12.0  # how fast a pair counts for less with its distance
_RECALLED = 0.04  # how much the log odds of the pairs count beside a cosine


@dataclass(frozen=True, slots=True, eq=False)
class Tastes:
    """``I`` instructions as lasting tastes.

    Args:
        vectors: In the space of tastes, ``(I, B)``, unit length.
        hubness: How near each is to typical requests, ``(I,)``.
        known: How much each is like ``N`` tastes that are known; rows add up to one, ``(I, N)``.
    """

    vectors: FloatArray
    hubness: FloatArray
    known: FloatArray


def place(vectors: FloatArray, weights: Weights) -> Tastes:
    """Return what is known of instructions ``(I, B)`` in the space of tastes."""
    asked = weights.arrays["pairs_asked"]  # (R, N, B)
    near = np.sort(vectors @ asked.reshape(-1, asked.shape[-1]).T, axis=1)[:, -_NEIGHBOURS:]
    like = np.exp(_SHARP * (vectors @ weights.arrays["pairs_taste"].T - 1.0))  # (I, N)
    known = (like / like.sum(axis=1, keepdims=True)).astype(np.float32)
    return Tastes(vectors, near.mean(axis=1), known)


def bearing(request: FloatArray, tastes: Tastes, weights: Weights) -> FloatArray:
    """Return how much a request bears on each of ``I`` tastes, ``(I,)``.

    b_i = q·t_i − 0.7 h_i + 0.04 log Σ_n k(t_i, u_n) Σ_r k(q, q_nr) / Σ_n k(t_i, u_n)

    with k(x, y) = exp(12 (x·y − 1)): nearness in a space learned from pairs of a taste u_n and
    requests q_nr that touch it (InfoNCE: van den Oord et al. 2018, arXiv:1807.03748), less nearness
    to any request (Conneau et al. 2018, arXiv:1710.04087), plus what like tastes were asked before:
    a Nadaraya-Watson estimate (Nadaraya 1964; Watson 1964) over the pairs themselves, as neighbours
    that are kept complete a model in Khandelwal et al. 2020 (arXiv:1911.00172).

    Args:
        request: Embedding of the request, ``(E,)``.
        tastes: From `place`.
        weights: Everything learned.
    """
    now = weights.requests(request[None], "bearing")[0]
    asked = weights.arrays["pairs_asked"]
    touched = np.exp(_SHARP * (asked @ now - 1.0)).sum(axis=0)  # (N,)
    recalled = np.log(np.maximum(tastes.known @ touched, 1e-12))
    found: FloatArray = tastes.vectors @ now - _HUB * tastes.hubness + _RECALLED * recalled
    return found


def bearing_features(values: FloatArray) -> FloatArray:
    """Return ``(I, 3)``: how much a request bears on each, alone and among the others."""
    spread = values.std() + 0.05
    columns = (values, values - values.max(), (values - values.mean()) / spread)
    return np.stack(columns, axis=1).astype(np.float32)

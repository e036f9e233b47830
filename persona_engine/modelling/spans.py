"""How likely stretches of one user's comparisons are, whatever the user's taste is."""

from __future__ import annotations

import numpy as np

from persona_engine.modelling.batched import Floats
from persona_engine.modelling.logistic import pair_loss
from persona_engine.modelling.newton import log_evidence_of_many
from persona_engine.types import Evidence, FloatArray, IntArray, Population

_LEAST_STEP = 4  # stretches within so many comparisons of one another are solved together


def log_likelihood_of_spans(
    population: Population, evidence: Evidence, spans: IntArray
) -> FloatArray:
    """Return ``log ∫ P(span | z) N(z; 0, I) dz`` of each span by Laplace's method, ``(S,)``.

    Args:
        population: Holds ``projection (D, 1+K)``.
        evidence: One user's comparisons, oldest first.
        spans: ``(S, 2)`` first row, and row after the last, of each.
    """
    projected = (evidence.chosen - evidence.rejected) @ population.arrays["projection"]
    offset, rows = projected[:, 0], projected[:, 1:]
    if rows.shape[1] == 0:
        loss = np.concatenate([[0.0], evidence.weight * pair_loss(offset, evidence.target)])
        total = np.cumsum(loss)
        shared: FloatArray = (total[spans[:, 0]] - total[spans[:, 1]]).astype(np.float32)
        return shared
    length = spans[:, 1] - spans[:, 0]
    result = np.zeros(len(spans), np.float32)
    size = _padded(length)
    for each in np.unique(size[size > 0]).tolist():
        members = np.flatnonzero(size == each)
        place = spans[members, :1] + np.arange(each)  # (S, n)
        inside = place < spans[members, 1:]
        place = np.minimum(place, len(rows) - 1)
        strength: Floats = np.where(inside, evidence.weight[place], np.float32(0.0))
        latent = np.ascontiguousarray(rows[place].transpose(1, 2, 0))  # (n, K, S)
        others = (offset[place].T, strength.T, evidence.target[place].T)
        result[members] = log_evidence_of_many(
            latent, *(np.ascontiguousarray(each, np.float32) for each in others)
        )
    return result


def _padded(length: IntArray) -> IntArray:
    """Return the batch size of each length: at most a third more, in steps of 4 or wider.

    Examples:
        >>> _padded(np.array([0, 1, 5, 16, 17, 50])).tolist()
        [0, 4, 8, 16, 24, 64]
    """
    power = np.floor(np.log2(np.maximum(length, 1))).astype(np.int64)
    step = np.maximum(_LEAST_STEP, (1 << power) >> 1)
    padded: IntArray = -(-length // step) * step
    return padded

"""Small positive definite systems of many users at once, users on the last axis.

Every operation runs over all users, so that a system of a dozen unknowns costs about as many calls
of numpy as it has rows, however many users there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]  # single or double precision


def factorise(matrix: Floats) -> Floats:
    """Return the lower Cholesky factors of ``(K, K, U)``, in its place.

    What stands above the diagonal is left over from the work, and nobody may read it.
    """
    rank = len(matrix)
    for j in range(rank):
        matrix[j, j] = np.sqrt(matrix[j, j])
        matrix[j + 1 :, j] /= matrix[j, j]
        below = matrix[j + 1 :, j]
        for k in range(rank - j - 1):
            matrix[j + 1 + k :, j + 1 + k] -= below[k:] * below[k]
    return matrix


def forward(lower: Floats, right: Floats) -> Floats:
    """Return ``L⁻¹ right`` of each user; ``right`` is ``(K, U)`` or ``(K, n, U)``, overwritten."""
    for j in range(len(lower)):
        right[j] /= lower[j, j]
        below = lower[j + 1 :, j] if right.ndim == 2 else lower[j + 1 :, j, None]
        right[j + 1 :] -= below * right[j]
    return right


def solve(lower: Floats, right: Floats) -> Floats:
    """Return ``(L Lᵀ)⁻¹ right`` of each user, ``(K, U)``; overwrites ``right``."""
    forward(lower, right)
    for j in range(len(right) - 1, -1, -1):
        right[j] /= lower[j, j]
        right[:j] -= lower[j, :j] * right[j]
    return right


def inverse(lower: Floats) -> Floats:
    """Return ``L⁻¹`` of each user, ``(K, K, U)``."""
    rank = len(lower)
    result = np.zeros_like(lower)
    result[np.arange(rank), np.arange(rank)] = 1.0
    for j in range(rank):
        result[j, : j + 1] /= lower[j, j]
        result[j + 1 :, : j + 1] -= lower[j + 1 :, j, None] * result[j, : j + 1]
    return result

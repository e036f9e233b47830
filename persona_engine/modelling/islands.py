"""Which comparisons have responses in common, directly or through others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import FloatArray


def islands(chosen: FloatArray, rejected: FloatArray) -> NDArray[np.int64]:
    """Return the connected component of each comparison in the graph of responses, ``(N,)``.

    Responses are the same where their features are. People who compare replies to one prompt make
    an island; a conversation whose statements are all compared with one another is one, too.

    Args:
        chosen: ``(N, D)`` features of the preferred responses.
        rejected: ``(N, D)`` features of the others.

    Examples:
        >>> a, b = np.float32([[1], [2], [7]]), np.float32([[2], [3], [8]])
        >>> islands(a, b).tolist()
        [0, 0, 1]
    """
    sides = np.concatenate([chosen, rejected])
    marks = np.array([hash(row.tobytes()) for row in np.ascontiguousarray(sides)], np.int64)
    count, response = np.unique(marks, return_inverse=True)
    first, second = response[: len(chosen)], response[len(chosen) :]
    label = np.arange(len(count))
    while True:
        least = np.minimum(label[first], label[second])
        new = label.copy()
        np.minimum.at(new, first, least)
        np.minimum.at(new, second, least)
        new = new[new]
        if np.array_equal(new, label):
            break
        label = new
    _, start, island = np.unique(label[first], return_index=True, return_inverse=True)
    by_appearance = np.argsort(np.argsort(start))  # hashes differ from process to process
    return by_appearance[island].astype(np.int64)

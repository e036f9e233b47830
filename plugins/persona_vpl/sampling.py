"""Contexts and targets: some of a user's comparisons, to predict others of hers from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Draw:
    """One context and some targets of each of ``U`` users, as rows of the data.

    Args:
        context: ``(U, C)`` rows to infer from.
        in_context: ``(U, C)`` 1 where the row is there, 0 where it only fills the batch.
        target: ``(U, T)`` rows to predict; none of them stands in the user's context.
        in_target: ``(U, T)`` as ``in_context``.
    """

    context: IntArray
    in_context: FloatArray
    target: IntArray
    in_target: FloatArray


class Contexts:
    """Draws contexts of random sizes from users' own comparisons.

    Args:
        user: ``(N,)`` user of each row, numbered ``0 … U-1`` without gaps.
        context: Most comparisons of a context, ``C``.
        target: Most comparisons to predict from one context, ``T``.
    """

    def __init__(self, user: IntArray, *, context: int, target: int) -> None:
        order = np.argsort(user, kind="stable")
        self.counts = np.bincount(user)
        starts = np.cumsum(self.counts) - self.counts
        places = np.arange(int(self.counts.max()))
        filled = places < self.counts[:, None]
        self._rows = order[np.where(filled, starts[:, None] + places, 0)]  # (U, most rows)
        self._context, self._target = context, target

    def draw(self, users: IntArray, sizes: NDArray[np.int64], rng: np.random.Generator) -> Draw:
        """Return a draw for these users with contexts of these sizes, at most all rows but one."""
        counts = self.counts[users]
        sizes = np.minimum(np.minimum(sizes, self._context), np.maximum(counts - 1, 0))
        keys = rng.random((len(users), self._rows.shape[1]))
        keys[np.arange(keys.shape[1]) >= counts[:, None]] = 2.0
        order = np.argsort(keys, axis=1)
        shuffled = np.take_along_axis(self._rows[users], order, axis=1)
        place = np.arange(self._context)
        wanted = sizes[:, None] + np.arange(self._target)
        return Draw(
            context=_at(shuffled, np.broadcast_to(place, (len(users), self._context))),
            in_context=(place < sizes[:, None]).astype(np.float32),
            target=_at(shuffled, wanted),
            in_target=(wanted < counts[:, None]).astype(np.float32),
        )


def _at(rows: IntArray, place: NDArray[np.int64]) -> IntArray:
    return np.take_along_axis(rows, np.minimum(place, rows.shape[1] - 1), axis=1)


def as_tokens(
    chosen: FloatArray, rejected: FloatArray, weight: FloatArray, target: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return chosen and rejected ``(..., n, R)`` and weight ``(..., n)`` of what an encoder reads.

    A comparison with a share of its preference on the other side stands in both orders, each with
    its share of the weight: a tie is half a win for either. A target above 1 (a label known to be
    noisy) counts as 1: an encoder can't take an answer back.
    """
    share = np.minimum(target, 1.0)
    if bool((share == 1.0).all()):
        return chosen, rejected, weight
    return (
        np.concatenate([chosen, rejected], axis=-2),
        np.concatenate([rejected, chosen], axis=-2),
        np.concatenate([weight * share, weight * (1.0 - share)], axis=-1),
    )

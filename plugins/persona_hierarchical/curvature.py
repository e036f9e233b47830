"""Second derivative of the users' lower bounds by the shared basis, each user's Gaussian refitted.

At the maximum, a user's bound is to second order that of a Gaussian model with working weights
``ω = weight · E[p(1-p)]`` and working residuals ``e = E[target - p] / E[p(1-p)]``: the fixed
effects ``w₀`` and the loadings ``B`` of a linear mixed model (Breslow & Clayton 1993, "Approximate
inference in generalized linear mixed models"). There the response of the user's mean ``m`` and
covariance ``S`` to the basis has a closed form. With ``D = Σ ω Δ Δᵀ``,
``V Vᵀ = Σᵢⱼ ωᵢ ωⱼ (bᵢᵀ S bⱼ) Δᵢ Δⱼᵀ``, ``q = Σ ω e Δ`` and ``T_a = Σ ω (S b)_a Δ``, sums over the
user's comparisons, the blocks are

- ``w₀, w₀``: ``D - V Vᵀ``,
- ``w₀, B_a``: ``m_a (D - V Vᵀ) + T_a qᵀ``,
- ``B_a, B_c``: ``(S_ac + m_a m_c)(D - V Vᵀ) - T_c T_aᵀ + m_a T_c qᵀ + m_c q T_aᵀ - S_ac q qᵀ``.

What is fitted together with a user's own latent taste must not be counted as known: curvature at
fixed tastes would be several times too large where users have few comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from persona_engine.types import FloatArray
from persona_hierarchical.lower_bound import Block, Doubles, working_values

_LEAST_BEND = 1e-4  # a preference as sure as that says nothing about how sure


@dataclass(frozen=True, slots=True)
class Crowd:
    """Sums over the comparisons of each of some users, for ``R`` axes and ``K`` tastes.

    Args:
        rows: ``(N, R)`` differences, scaled by the roots of their working weights.
        place: ``(N,)`` which user each belongs to.
        mean: ``(U, K)`` means.
        covariance: ``(U, K, K)`` covariances.
        spread: ``(U, K, R)`` ``Vᵀ``.
        left: ``(U, R)`` ``q``.
        turned: ``(U, K, R)`` ``T``.
    """

    rows: FloatArray
    place: np.ndarray[tuple[int], np.dtype[np.int64]]
    mean: FloatArray
    covariance: FloatArray
    spread: FloatArray
    left: FloatArray
    turned: FloatArray

    @property
    def second(self) -> FloatArray:
        """Second moments ``(U, 1+K, 1+K)`` of ``[1, z]``."""
        users, rank = self.mean.shape
        whole = np.zeros((users, 1 + rank, 1 + rank), np.float32)
        whole[:, 0, 0] = 1.0
        whole[:, 0, 1:] = whole[:, 1:, 0] = self.mean
        whole[:, 1:, 1:] = self.covariance + self.mean[:, :, None] * self.mean[:, None, :]
        return whole

    def block(self, a: int, c: int, columns: slice) -> Doubles:
        """Return one block ``(C, C)`` of the curvature for some of the axes."""
        share = self.second[:, a, c]
        rows, spread = self.rows[:, columns], self.spread[:, :, columns]
        result = (rows * share[self.place, None]).T @ rows
        result = result - np.tensordot(spread * share[:, None, None], spread, ((0, 1), (0, 1)))
        for before, after in self._products(a, c):
            result = result + before[:, columns].T @ after[:, columns]
        whole: Doubles = result.astype(np.float64)
        return whole

    def diagonal(self, columns: slice) -> Doubles:
        """Return the curvature ``(C, 1+K)`` of each weight of some axes by itself."""
        result = np.empty((self.rows[:, columns].shape[1], self.second.shape[1]))
        rows, spread = np.square(self.rows[:, columns]), np.square(self.spread[:, :, columns])
        for a in range(result.shape[1]):
            share = self.second[:, a, a]
            result[:, a] = share[self.place] @ rows - np.einsum("u,ukr->r", share, spread)
            for before, after in self._products(a, a):
                result[:, a] += np.einsum("ur,ur->r", before[:, columns], after[:, columns])
        return result

    def _products(self, a: int, c: int) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield pairs ``(U, R)`` whose outer products, summed over users, complete a block."""
        if c == 0:
            return
        t_c = self.turned[:, c - 1]
        if a == 0:
            yield t_c, self.left
            return
        t_a, m_a, m_c = self.turned[:, a - 1], self.mean[:, a - 1], self.mean[:, c - 1]
        yield -t_c, t_a
        yield t_c * m_a[:, None], self.left
        yield self.left * m_c[:, None], t_a
        yield -self.left * self.covariance[:, a - 1, c - 1, None], self.left


def crowd_of(block: Block, rows: FloatArray, offset: FloatArray, latent: FloatArray) -> Crowd:
    """Return the sums of a block whose Gaussians are at the bound's maximum.

    Args:
        block: The users.
        rows: ``(N, R)`` all differences.
        offset: ``(N,)`` shared part of each logit.
        latent: ``(N, K)`` each row's ``b_i``.
    """
    b = latent[block.rows]  # (U, n, K)
    left, bend = working_values(block, offset[block.rows], b)
    omega = block.weight * np.maximum(bend, _LEAST_BEND)  # (U, n)
    delta = rows[block.rows]  # (U, n, R)
    across = (omega[..., None] * (b @ block.covariance)).transpose(0, 2, 1)  # (U, K, n)
    root = np.linalg.cholesky(block.covariance)
    spread = (omega[..., None] * (b @ root)).transpose(0, 2, 1)
    present = block.weight > 0
    return Crowd(
        rows=(delta * np.sqrt(omega)[..., None])[present],
        place=np.broadcast_to(np.arange(len(b))[:, None], present.shape)[present],
        mean=block.mean,
        covariance=block.covariance,
        spread=spread @ delta,
        left=np.einsum("un,unr->ur", block.weight * left, delta),
        turned=across @ delta,
    )

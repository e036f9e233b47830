"""How well unseen users' comparisons are predicted after a few of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import Differences, Doubles, pair_loss
from persona_engine.modelling.newton import posteriors_of_many
from persona_engine.types import FloatArray
from persona_hierarchical.hierarchy import Basis
from persona_hierarchical.lower_bound import Rows

SHOTS = (0, 1, 2, 4, 8, 16)
"""Numbers of comparisons after which users are predicted; all count alike."""

_QUERIES = 16  # comparisons of a user that are predicted at each number of shots
_USERS = 100  # held-out users of a fold that are predicted


@dataclass(frozen=True, slots=True)
class Exam:
    """The first comparisons of some held-out users: after each S, those that follow are asked.

    Args:
        rows: ``(U, n)`` their rows, in order.
        strength: ``(U, n)`` their strengths, 0 where there is none.
    """

    rows: Rows
    strength: FloatArray


def exam_of(differences: Differences, held_out: NDArray[np.bool_]) -> Exam:
    """Return the exam of the held-out users, of a part of them where there are many."""
    rows = np.flatnonzero(held_out & (differences.weight > 0))
    order = rows[np.argsort(differences.user[rows], kind="stable")]
    _, start, count = np.unique(differences.user[order], return_index=True, return_counts=True)
    chosen = np.linspace(0, len(count) - 1, min(_USERS, len(count))).astype(np.int64)
    place = np.arange(SHOTS[-1] + _QUERIES)
    present = place < count[chosen, None]
    rows = order[np.where(present, start[chosen, None] + place, 0)]
    return Exam(rows, np.where(present, differences.weight[rows], 0.0).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Projected:
    """Exams seen through one basis each; users of all folds lie on the last axis.

    Args:
        latent: ``(n, K, U)`` latent differences.
        offset: ``(n, U)`` shared part of each logit.
        variance: ``(n, U)`` variance of it, the shared weights being estimates.
        target: ``(n, U)`` targets.
        strength: ``(n, U)`` strengths, 0 where there is no comparison.
    """

    latent: FloatArray
    offset: FloatArray
    variance: FloatArray
    target: FloatArray
    strength: FloatArray

    def truncated(self, rank: int) -> Projected:
        """Return what the first latent axes alone show."""
        return replace(self, latent=self.latent[:, :rank])

    def losses(self, spread: float = 1.0, shared: float = 1.0) -> Doubles:
        """Return the loss per comparison ``(shots, U)``, NaN where a user gave too few.

        Args:
            spread: Factor on the basis.
            shared: Factor on the shared weights.
        """
        scaled = replace(
            self,
            latent=np.float32(spread) * self.latent,
            offset=np.float32(shared) * self.offset,
            variance=np.float32(shared**2) * self.variance,
        )
        return np.array([scaled._losses_after(shots) for shots in SHOTS])

    def _losses_after(self, shots: int) -> Doubles:
        result = np.full(self.offset.shape[1], np.nan)
        users = np.flatnonzero(self.strength[shots] > 0)
        if len(users):
            asked = slice(shots, shots + _QUERIES)
            mean, variance = self._believe(users, shots, asked)
            variance = variance + self.variance[asked, users]
            damped = (self.offset[asked, users] + mean) / np.sqrt(1.0 + np.pi / 8.0 * variance)
            loss = pair_loss(damped.astype(np.float64), self.target[asked, users])
            result[users] = np.average(loss, 0, self.strength[asked, users])
        return result

    def _believe(self, users: Rows, shots: int, asked: slice) -> tuple[FloatArray, FloatArray]:
        """Return mean and variance ``(q, U)`` of the personal part of the asked logits."""
        query = self.latent[asked][:, :, users]  # (q, K, U)
        if shots == 0 or query.shape[1] == 0:
            return np.zeros_like(self.offset[asked, users]), np.square(query).sum(1)
        z, covariance = posteriors_of_many(
            self.latent[:shots][:, :, users].astype(np.float64),
            self.offset[:shots, users].astype(np.float64),
            self.strength[:shots, users].astype(np.float64),
            self.target[:shots, users].astype(np.float64),
        )
        latent = query.transpose(2, 0, 1)  # (U, q, K)
        wide = (latent @ covariance.astype(np.float32) * latent).sum(-1)
        mean = (latent @ z.astype(np.float32)[..., None])[..., 0]
        return mean.T, np.maximum(wide, 0.0).T


def project(
    differences: Differences,
    exams: Sequence[Exam],
    bases: Sequence[Basis],
    roots: Sequence[Doubles],
) -> Projected:
    """Return each fold's exam through its basis.

    Args:
        differences: All comparisons.
        exams: One for each fold.
        bases: What was fitted without the fold's users.
        roots: ``(R, R)`` a root of the covariance of the fold's shared weights.
    """
    parts = [_project(differences, *each) for each in zip(exams, bases, roots, strict=True)]
    return Projected(*(np.concatenate(each, -1) for each in zip(*parts, strict=True)))


def _project(
    differences: Differences, exam: Exam, basis: Basis, root: Doubles
) -> tuple[FloatArray, ...]:
    both = np.column_stack([basis.shared, basis.basis]).astype(np.float32)
    rows = differences.rows[exam.rows]  # (U, n, R)
    projected = (rows @ both).transpose(1, 2, 0)  # (n, 1+K, U)
    variance = np.square(rows @ root.astype(np.float32)).sum(-1)
    target = differences.target[exam.rows]
    return projected[:, 1:], projected[:, 0], variance.T, target.T, exam.strength.T

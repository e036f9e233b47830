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
from persona_hierarchical.recall import in_common, pull_of

SHOTS = (0, 1, 2, 4, 8, 16)
"""Numbers of comparisons after which users are predicted; all count alike."""

_QUERIES = 24  # comparisons of a user that are predicted at each number of shots


@dataclass(frozen=True, slots=True)
class Scales:
    """How a fit is stretched to predict unseen users best.

    Args:
        spread: Factor on the basis; a penalised fit is too short.
        shared: Factor on the shared weights.
        width: Factor on the variance of the personal part, where it is predicted from.
        recall: Variance of what a user thinks of one response beyond the tastes, 0 for none.
    """

    spread: float = 1.0
    shared: float = 1.0
    width: float = 1.0
    recall: float = 0.0


@dataclass(frozen=True, slots=True)
class Exam:
    """The first comparisons of some held-out users: after each S, those that follow are asked.

    Args:
        rows: ``(U, n)`` their rows, in order.
        strength: ``(U, n)`` their strengths, 0 where there is none.
        shots: Values of S.
    """

    rows: Rows
    strength: FloatArray
    shots: tuple[int, ...]


def exam_of(
    differences: Differences,
    held_out: NDArray[np.bool_],
    *,
    users: int,
    shots: tuple[int, ...] = SHOTS,
) -> Exam:
    """Return the exam of at most so many of the held-out users."""
    rows = np.flatnonzero(held_out & (differences.weight > 0))
    order = rows[np.argsort(differences.user[rows], kind="stable")]
    _, start, count = np.unique(differences.user[order], return_index=True, return_counts=True)
    chosen = np.linspace(0, len(count) - 1, min(users, len(count))).astype(np.int64)
    place = np.arange(shots[-1] + _QUERIES)
    present = place < count[chosen, None]
    rows = order[np.where(present, start[chosen, None] + place, 0)]
    return Exam(rows, np.where(present, differences.weight[rows], 0.0).astype(np.float32), shots)


@dataclass(frozen=True, slots=True)
class Projected:
    """Exams seen through one basis each; users of all folds lie on the last axis.

    Args:
        latent: ``(n, K, U)`` latent differences.
        offset: ``(n, U)`` shared part of each logit.
        variance: ``(n, U)`` variance of it, the shared weights being estimates.
        target: ``(n, U)`` targets.
        strength: ``(n, U)`` strengths, 0 where there is no comparison.
        common: ``(U, n, n)`` responses that two comparisons have in common.
        shots: Numbers of comparisons after which they are predicted.
    """

    latent: FloatArray
    offset: FloatArray
    variance: FloatArray
    target: FloatArray
    strength: FloatArray
    common: FloatArray
    shots: tuple[int, ...]

    def truncated(self, rank: int) -> Projected:
        """Return what the first latent axes alone show."""
        return replace(self, latent=self.latent[:, :rank])

    def losses(self, scales: Scales, *, novel: bool) -> Doubles:
        """Return each user's share ``(U,)`` of the loss per comparison; their mean is the loss.

        All numbers of shots count alike, and at each all users who gave enough.

        Args:
            scales: How the fit is stretched.
            novel: Whether only comparisons count whose responses the user has not judged before,
                as far as there are any.
        """
        scaled = replace(
            self,
            latent=np.float32(scales.spread) * self.latent,
            offset=np.float32(scales.shared) * self.offset,
            variance=np.float32(scales.shared**2) * self.variance,
        )
        losses = np.array(
            [scaled._losses_after(shots, scales, novel=novel) for shots in self.shots]
        )
        there = np.isfinite(losses)  # (shots, U)
        at_all = there.any(1)
        weight = there[at_all] / there[at_all].sum(1, keepdims=True) / at_all.sum()
        result: Doubles = np.where(there, losses, 0.0)[at_all] * weight
        share: Doubles = result.sum(0) * losses.shape[1]
        return share

    def _losses_after(self, shots: int, scales: Scales, *, novel: bool) -> Doubles:
        result = np.full(self.offset.shape[1], np.nan)
        asked = slice(shots, shots + _QUERIES)
        counts = self.strength[asked]  # (q, U)
        if novel:
            judged = self.common[:, asked, :shots].any(-1).T
            counts = np.where(judged, np.float32(0.0), counts)
        users = np.flatnonzero(counts.any(0))
        if len(users):
            mean, variance = self._believe(users, shots, asked, np.float32(scales.recall))
            variance = np.float32(scales.width) * variance + self.variance[asked, users]
            damped = (self.offset[asked, users] + mean) / np.sqrt(1.0 + np.pi / 8.0 * variance)
            loss = pair_loss(damped.astype(np.float64), self.target[asked, users])
            result[users] = np.average(loss, 0, counts[:, users])
        return result

    def _believe(
        self, users: Rows, shots: int, asked: slice, recall: np.float32
    ) -> tuple[FloatArray, FloatArray]:
        """Return mean and variance ``(q, U)`` of the personal part of the asked logits."""
        query = self.latent[asked][:, :, users]  # (q, K, U)
        if shots == 0 or query.shape[1] == 0:
            return np.zeros_like(self.offset[asked, users]), np.square(query).sum(1)
        rows = np.ascontiguousarray(self.latent[:shots][:, :, users])
        others = (self.offset, self.strength, self.target)
        offset, strength, target = (np.ascontiguousarray(each[:shots, users]) for each in others)
        modes, covariance = posteriors_of_many(rows, offset, strength, target)
        z: FloatArray = modes.astype(np.float32)
        latent = query.transpose(2, 0, 1)  # (U, q, K)
        wide = (latent @ covariance.astype(np.float32) * latent).sum(-1)
        mean: FloatArray = (latent @ z[..., None])[..., 0]
        if recall:
            known = offset + np.einsum("nku,uk->nu", rows, z)
            common = recall * self.common[users]
            inputs = (each.T.astype(np.float64) for each in (known, strength, target))
            pull = pull_of(common[:, :shots, :shots], *inputs).astype(np.float32)
            mean = mean + np.einsum("uqn,un->uq", common[:, asked, :shots], pull)
        return mean.T, np.maximum(wide, 0.0).T


def project(
    differences: Differences,
    exams: Sequence[Exam],
    bases: Sequence[Basis],
    roots: Sequence[Doubles],
    keys: FloatArray,
    *,
    rows: Sequence[FloatArray] | None = None,
) -> Projected:
    """Return each fold's exam through its basis.

    Args:
        differences: All comparisons.
        exams: One for each fold.
        bases: What was fitted without the fold's users.
        roots: ``(R, R)`` a root of the covariance of the fold's shared weights.
        keys: ``(N, 2, 4)`` keys of the responses of all comparisons.
        rows: ``(N, R)`` what each fold's basis reads; the differences in their axes if omitted.
    """
    read = [differences.rows] * len(exams) if rows is None else rows
    parts = [
        _project(differences, keys, each, exam=exam, basis=basis, root=root)
        for each, exam, basis, root in zip(read, exams, bases, roots, strict=True)
    ]
    *others, common = zip(*parts, strict=True)
    latent, offset, variance, target, strength = (np.concatenate(each, -1) for each in others)
    return Projected(
        *(latent, offset, variance, target, strength), np.concatenate(common), exams[0].shots
    )


def _project(
    differences: Differences,
    keys: FloatArray,
    read: FloatArray,
    *,
    exam: Exam,
    basis: Basis,
    root: Doubles,
) -> tuple[FloatArray, ...]:
    both = np.column_stack([basis.shared, basis.basis]).astype(np.float32)
    rows = read[exam.rows]  # (U, n, R)
    projected = (rows @ both).transpose(1, 2, 0)  # (n, 1+K, U)
    variance = np.square(rows @ root.astype(np.float32)).sum(-1)
    target = differences.target[exam.rows]
    common = in_common(keys[exam.rows], keys[exam.rows])  # (U, n, n)
    return projected[:, 1:], projected[:, 0], variance.T, target.T, exam.strength.T, common

"""Choice of penalty, scales and rank by few-shot prediction of users that the fit did not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import Differences, Doubles, fit_ridge, laplace_covariance
from persona_engine.types import FloatArray
from persona_hierarchical.few_shot import Exam, Projected, Scales, exam_of, project
from persona_hierarchical.gains import gain_of, standard_error
from persona_hierarchical.hierarchy import (
    Agreement,
    Basis,
    Sample,
    agreement_of,
    fit_basis,
    sample_of,
)
from persona_hierarchical.scales import START, best_scales

RIDGES = (3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0)
"""Penalties of the basis to choose from, in units of comparisons, strongest first."""

RANKS = (1, 2, 3, 4, 6, 8, 12, 16)
"""Ranks to choose from."""

CHOOSERS, JUDGES = 100, 400
"""Held-out users of a fold, at most: who choose settings, and who decide if they are any good."""

_SHARED_SHARE = 6.0  # shared weights, which all users inform, are penalised so much less
_RECALLS = (1.0, 3.0, 10.0, 30.0, 100.0)
_POOLED_SCALES = (0.8, 1.0, 1.25, 1.6)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The hyper-parameters that predict unseen users best.

    Args:
        rank: Latent dimensions; 0 when nothing personal was found.
        ridge: Penalty of the basis.
        scales: Factors on the fit, and how much single responses count.
        gain: Nats per comparison that unseen users gain over the pooled fit.
        gain_error: Standard error of the gain over users.
        losses: ``(U,)`` loss of each held-out user; none where none were asked.
    """

    rank: int
    ridge: float
    scales: Scales
    gain: float
    gain_error: float
    losses: Doubles


NOTHING_PERSONAL = Choice(0, 0.0, Scales(), 0.0, 0.0, np.zeros(0))


@dataclass(slots=True)
class _Fold:
    """One fold: the users that it holds out, and what was fitted without them.

    Args:
        seen: The other users' comparisons.
        agreement: How they agree with themselves.
        root: ``(R, R)`` a root of the covariance of the shared weights.
        exam: What some held-out users are asked, to choose by.
        final: What more of them are asked, to decide whether the choice is any good.
        basis: The fit of the weakest penalty so far, where the next one begins.
    """

    seen: Sample
    agreement: Agreement
    root: Doubles
    exam: Exam
    final: Exam
    basis: Basis | None = None

    def without_persons(self, differences: Differences, ridge: float) -> Basis:
        """Return the fit of the shared weights alone."""
        rows = np.isin(differences.user, np.unique(self.seen.user))
        weight = np.where(rows, differences.weight, 0.0).astype(np.float32)
        shared = fit_ridge(differences, weight, ridge, start=self.agreement.shared)
        return Basis(shared, np.zeros((len(shared), 0)))


@dataclass(frozen=True, slots=True)
class _Trials:
    """All folds.

    Args:
        differences: All comparisons.
        keys: ``(N, 2, 4)`` keys of their responses.
        folds: The folds.
    """

    differences: Differences
    keys: FloatArray
    folds: Sequence[_Fold]

    def view(self, bases: Sequence[Basis], *, final: bool = False) -> Projected:
        """Return the exams, each seen through its fold's basis."""
        exams = [each.final if final else each.exam for each in self.folds]
        roots = [each.root for each in self.folds]
        return project(self.differences, exams, bases, roots, self.keys)

    def pooled_losses(self, ridge: float, *, final: bool = False) -> Doubles:
        """Return the losses without personal parts at the best scale, ``(U,)``.

        Args:
            ridge: Penalty of the shared weights: that of the fit that is compared with them.
            final: Whether all held-out users are asked.
        """
        bases = [each.without_persons(self.differences, ridge) for each in self.folds]
        view = self.view(bases, final=final)
        losses = [view.losses(Scales(shared=each), novel=True) for each in _POOLED_SCALES]
        return min(losses, key=lambda each: float(each.mean()))


@dataclass(frozen=True, slots=True)
class _Tried:
    """A penalty, and how well unseen users are predicted with it.

    Args:
        ridge: The penalty.
        bases: Each fold's fit.
        view: The exams through them.
        scales: The best factors.
        losses: ``(U,)`` loss of each held-out user.
    """

    ridge: float
    bases: Sequence[Basis]
    view: Projected
    scales: Scales
    losses: Doubles


def choose(
    differences: Differences,
    folds: Sequence[NDArray[np.bool_]],
    *,
    shared_ridge: float,
    max_rank: int,
    keys: FloatArray,
    report: Callable[[int], None],
) -> Choice:
    """Return the best setting, or rank 0 when its gain is within two standard errors or negligible.

    The penalty is lowered as long as unseen users are predicted better, each fit starting from the
    last; for each the scales are searched. Then the smallest rank is taken that is no worse. All
    this by responses that the users have not judged yet; what single responses count, by all.

    Args:
        differences: All comparisons.
        folds: For each fold, the rows that it holds out, whole users.
        shared_ridge: Penalty of the pooled weights.
        max_rank: Most latent dimensions to consider.
        keys: ``(N, 2, 4)`` keys of the responses of all comparisons.
        report: Called with the number of folds done.
    """
    parts = [_fold(differences, held_out, shared_ridge) for held_out in folds]
    trials = _Trials(differences, keys, parts)
    pooled = trials.pooled_losses(shared_ridge)
    tried: list[_Tried] = []
    for ridge in RIDGES:
        bases = []
        for number, part in enumerate(parts):
            part.basis = fit_penalised(
                part.seen, part.agreement, shared_ridge, ridge, max_rank, start=part.basis
            )
            bases.append(part.basis)
            report(number + 1)
        view = trials.view(bases)
        gained = bool(tried) and gain_of(pooled, tried[-1].losses).real
        scales = best_scales(view, tried[-1].scales if gained else START)
        tried.append(_Tried(ridge, bases, view, scales, view.losses(scales, novel=True)))
        if gained and tried[-1].losses.mean() >= tried[-2].losses.mean():
            break
    best = min(tried, key=lambda each: float(each.losses.mean()))
    return _final(trials, best, max_rank, shared_ridge)


def _final(trials: _Trials, tried: _Tried, max_rank: int, shared_ridge: float) -> Choice:
    """Return the smallest rank as good as the best, if it gains for users who did not choose it."""
    ranks = sorted({*(rank for rank in RANKS if rank < max_rank), max_rank})
    losses = [tried.view.truncated(rank).losses(tried.scales, novel=True) for rank in ranks]
    top = losses[int(np.argmin([each.mean() for each in losses]))]
    worse = [float((each - top).mean()) - 0.5 * standard_error(each - top) for each in losses]
    rank = ranks[next(place for place, each in enumerate(worse) if each <= 0.0)]
    view = tried.view.truncated(rank)
    scales = _with_width(view, tried.scales)
    everybody = trials.view(tried.bases, final=True).truncated(rank)
    mine = everybody.losses(scales, novel=True)
    pooled = trials.pooled_losses(joint_ridge(shared_ridge, tried.ridge), final=True)
    gain = gain_of(pooled, mine)
    if not gain.real:
        return Choice(0, tried.ridge, scales, *gain, pooled)
    return Choice(rank, tried.ridge, with_recall(view, scales), *gain, mine)


def _with_width(view: Projected, start: Scales) -> Scales:
    """Return the best scales; a width below 1, if that is more than noise."""
    whole = best_scales(view, replace(start, width=1.0), width=False)
    narrow = best_scales(view, start)
    gain = gain_of(view.losses(whole, novel=True), view.losses(narrow, novel=True))
    return narrow if gain.real else whole


def with_recall(view: Projected, scales: Scales) -> Scales:
    """Return the scales with what single responses count, if that is more than noise."""
    without = view.losses(scales, novel=False)
    several = [replace(scales, recall=each) for each in _RECALLS]
    losses = [view.losses(each, novel=False) for each in several]
    best = int(np.argmin([each.mean() for each in losses]))
    return several[best] if gain_of(without, losses[best]).real else scales


def _fold(differences: Differences, held_out: NDArray[np.bool_], shared_ridge: float) -> _Fold:
    weight = np.where(held_out, 0.0, differences.weight).astype(np.float32)
    shared = fit_ridge(differences, weight, shared_ridge)
    seen = sample_of(differences, np.flatnonzero(weight > 0))
    covariance, inflation = laplace_covariance(differences, shared, shared_ridge)
    return _Fold(
        seen=seen,
        agreement=agreement_of(seen, shared),
        root=np.linalg.cholesky(inflation * covariance).astype(np.float64),
        exam=exam_of(differences, held_out, users=CHOOSERS),
        final=exam_of(differences, held_out, users=JUDGES),
    )


def fit_penalised(
    sample: Sample,
    agreement: Agreement,
    shared_ridge: float,
    basis_ridge: float,
    rank: int,
    *,
    start: Basis | None,
) -> Basis:
    """Return the basis fitted from ``start`` or the spectral start, axes ordered by importance.

    A stronger penalty's fit is the nearer start, unless nothing personal has survived it.
    """
    ridge = joint_ridge(shared_ridge, basis_ridge)
    begin = agreement.start(rank=rank, ridge=basis_ridge)
    if start is not None and not start.dead(sample.moment).all():
        begin = start.revived(begin, sample.moment)
    fitted = fit_basis(sample, begin, shared_ridge=ridge, basis_ridge=basis_ridge)
    return fitted.rotated(sample.moment)


def joint_ridge(shared_ridge: float, basis_ridge: float) -> float:
    """Return the penalty of the shared weights beside a basis."""
    return min(shared_ridge, basis_ridge / _SHARED_SHARE)

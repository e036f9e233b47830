"""Choice of penalty, scales and rank by few-shot prediction of users that the fit did not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import Differences, Doubles, fit_ridge, laplace_covariance
from persona_hierarchical.few_shot import Exam, Projected, exam_of, project
from persona_hierarchical.hierarchy import (
    Agreement,
    Basis,
    Sample,
    agreement_of,
    fit_basis,
    sample_of,
)

RIDGES = (3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0)
"""Penalties of the basis to choose from, in units of comparisons, strongest first."""

RANKS = (1, 2, 3, 4, 6, 8, 12, 16)
"""Ranks to choose from."""

_SHARED_SHARE = 6.0  # shared weights, which all users inform, are penalised so much less
_START = (np.log(2.0), np.log(1.5))  # a penalised fit is too short
_STEPS = (np.log(1.6), np.log(1.25), np.log(1.1))
_FARTHEST = np.log(30.0)
_FLAT = 1e-5  # nats per comparison: less is no reason to go on
_LEAST_GAIN = 2e-3  # nats per comparison: less is not worth a worse guess for a stranger


@dataclass(frozen=True, slots=True)
class Choice:
    """The hyper-parameters that predict unseen users best.

    Args:
        rank: Latent dimensions; 0 when nothing personal was found.
        ridge: Penalty of the basis.
        spread: Factor on the fitted basis.
        shared_spread: Factor on the fitted shared weights.
        gain: Nats per comparison that unseen users gain over the pooled fit.
        gain_error: Standard error of the gain over users.
    """

    rank: int
    ridge: float
    spread: float
    shared_spread: float
    gain: float
    gain_error: float


NOTHING_PERSONAL = Choice(0, 0.0, 1.0, 1.0, 0.0, 0.0)


@dataclass(slots=True)
class _Fold:
    """One fold: the users that it holds out, and what was fitted without them.

    Args:
        seen: The other users' comparisons.
        agreement: How they agree with themselves.
        exam: What the held-out users are asked.
        root: ``(R, R)`` a root of the covariance of the shared weights.
        basis: The fit of the weakest penalty so far, where the next one begins.
    """

    seen: Sample
    agreement: Agreement
    exam: Exam
    root: Doubles
    basis: Basis | None = None


def choose(
    differences: Differences,
    folds: Sequence[NDArray[np.bool_]],
    *,
    shared_ridge: float,
    max_rank: int,
    report: Callable[[int], None],
) -> Choice:
    """Return the best setting, or rank 0 when its gain is within two standard errors or negligible.

    The penalty is lowered as long as unseen users are predicted better, each fit starting from the
    last; for each the scales are searched. Then the smallest rank is taken that is no worse.

    Args:
        differences: All comparisons.
        folds: For each fold, the rows that it holds out, whole users.
        shared_ridge: Penalty of the pooled weights.
        max_rank: Most latent dimensions to consider.
        report: Called with the number of folds done.
    """
    parts = [_fold(differences, held_out, shared_ridge) for held_out in folds]
    exams, roots = [part.exam for part in parts], [part.root for part in parts]
    bases = [Basis(p.agreement.shared, np.zeros((len(p.root), 0))) for p in parts]
    pooled = _by_user(project(differences, exams, bases, roots).losses())
    tried: list[_Tried] = []
    for ridge in RIDGES:
        for number, part in enumerate(parts):
            part.basis = fit_penalised(
                part.seen, part.agreement, shared_ridge, ridge, max_rank, start=part.basis
            )
            report(number + 1)
        view = project(differences, exams, [p.basis for p in parts if p.basis], roots)
        gained = bool(tried) and _gain(pooled, tried[-1].losses)[2]
        scales = _best_scales(view, tried[-1].scales if gained else _START)
        tried.append(_Tried(ridge, scales, view, _by_user(view.losses(*np.exp(scales)))))
        if gained and tried[-1].losses.mean() >= tried[-2].losses.mean():
            break
    return _smallest_rank(min(tried, key=lambda each: each.losses.mean()), pooled, max_rank)


@dataclass(frozen=True, slots=True)
class _Tried:
    """A penalty, and how well unseen users are predicted with it.

    Args:
        ridge: The penalty.
        scales: Logarithms of the best factors on the basis and on the shared weights.
        view: The exams through the folds' bases.
        losses: ``(U,)`` loss of each held-out user.
    """

    ridge: float
    scales: tuple[float, float]
    view: Projected
    losses: Doubles


def _gain(pooled: Doubles, losses: Doubles) -> tuple[float, float, bool]:
    """Return mean gain over pooled, its standard error, and whether it is more than noise."""
    gain, error = float((pooled - losses).mean()), _error(pooled - losses)
    return gain, error, gain > max(2.0 * error, _LEAST_GAIN)


def _fold(differences: Differences, held_out: NDArray[np.bool_], shared_ridge: float) -> _Fold:
    weight = np.where(held_out, 0.0, differences.weight).astype(np.float32)
    shared = fit_ridge(differences, weight, shared_ridge)
    seen = sample_of(differences, np.flatnonzero(weight > 0))
    covariance, inflation = laplace_covariance(differences, shared, shared_ridge)
    root = np.linalg.cholesky(inflation * covariance).astype(np.float64)
    return _Fold(seen, agreement_of(seen, shared), exam_of(differences, held_out), root)


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

    It begins at the likelier of the two: a fit under a strong penalty may have lost what the
    spectral start finds in few comparisons, and the spectral start is far off under a weak one.
    """
    ridge = min(shared_ridge, basis_ridge / _SHARED_SHARE)
    starts = [agreement.start(rank=rank, ridge=basis_ridge)] + ([] if start is None else [start])
    fitted = fit_basis(sample, starts, shared_ridge=ridge, basis_ridge=basis_ridge)
    return fitted.rotated(sample.moment)


def _best_scales(view: Projected, start: tuple[float, float]) -> tuple[float, float]:
    """Return the logarithms of the scales of the least loss, by compass search."""
    known: dict[tuple[float, float], float] = {}

    def loss(at: tuple[float, float]) -> float:
        key = (round(at[0], 6), round(at[1], 6))
        if key not in known:
            known[key] = float(_by_user(view.losses(*np.exp(key))).mean())
        return known[key]

    here = start
    for step in _STEPS:
        while True:
            near = [
                (here[0] + x * step, here[1] + y * step)
                for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1))
            ]
            near = [each for each in near if max(map(abs, each)) <= _FARTHEST]
            better = min(near, key=loss)
            if loss(better) > loss(here) - _FLAT:
                break
            here = better
    return here


def _smallest_rank(tried: _Tried, pooled: Doubles, max_rank: int) -> Choice:
    """Return the smallest rank that is no worse than the best within its noise."""
    spread, shared = (float(each) for each in np.exp(tried.scales))
    ranks = sorted({*(rank for rank in RANKS if rank < max_rank), max_rank})
    losses = [_by_user(tried.view.truncated(rank).losses(spread, shared)) for rank in ranks]
    top = losses[int(np.argmin([each.mean() for each in losses]))]
    worse = [float((each - top).mean()) - 0.5 * _error(each - top) for each in losses]
    place = next(place for place, each in enumerate(worse) if each <= 0.0)
    gain, error, real = _gain(pooled, losses[place])
    return Choice(ranks[place] if real else 0, tried.ridge, spread, shared, gain, error)


def _by_user(losses: Doubles) -> Doubles:
    """Return each user's mean over the numbers of shots, ``(U,)``."""
    result: Doubles = np.nanmean(losses, axis=0)
    return result


def _error(values: Doubles) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))

"""Choice of penalty, spread and rank by the evidence of users that the fit did not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_hierarchical.differences import Differences
from persona_hierarchical.hierarchy import (
    Basis,
    Sample,
    fit_basis,
    log_evidence,
    sample_of,
    spectral_start,
)
from persona_hierarchical.logistic import fit_ridge
from persona_hierarchical.lower_bound import Doubles, Rows

RIDGES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""Penalties of the basis to choose from, in units of comparisons."""

SPREADS = (0.7, 1.0, 1.4, 2.0, 2.8)
"""Factors on the basis to choose from: a penalised basis is too short."""

RANKS = (1, 2, 3, 4, 6, 8, 12, 16)
"""Ranks to choose from."""

_FEW_SHOTS = 32  # comparisons of a held-out user that count: the engine serves people with few


@dataclass(frozen=True, slots=True)
class Choice:
    """The hyper-parameters that predict unseen users best.

    Args:
        rank: Latent dimensions; 0 when nothing personal was found.
        ridge: Penalty of the basis.
        spread: Factor on the fitted basis.
        gain: Nats per comparison that unseen users gain over the pooled fit.
        gain_error: Standard error of the gain over users.
    """

    rank: int
    ridge: float
    spread: float
    gain: float
    gain_error: float


def choose(
    differences: Differences,
    folds: Sequence[NDArray[np.bool_]],
    *,
    shared_ridge: float,
    max_rank: int,
    report: Callable[[int], None],
) -> Choice:
    """Return the best setting, or rank 0 when its gain is less than two standard errors.

    Args:
        differences: All comparisons.
        folds: For each fold, the rows that it holds out, whole users.
        shared_ridge: Penalty of the shared weights.
        max_rank: Most latent dimensions to consider.
        report: Called with the number of folds done.
    """
    ranks = [rank for rank in RANKS if rank <= max_rank]
    gains = []
    for number, held_out in enumerate(folds):
        gains.append(_gains(differences, held_out, shared_ridge, ranks))
        report(number + 1)
    return _best(np.concatenate(gains, axis=-1), ranks)


def _gains(
    differences: Differences, held_out: NDArray[np.bool_], shared_ridge: float, ranks: list[int]
) -> Doubles:
    """Return ``(ridges, ranks, spreads, U)`` nats per comparison over pooled, of unseen users."""
    weight = np.where(held_out, 0.0, differences.weight).astype(np.float32)
    shared = fit_ridge(differences, weight, shared_ridge)
    seen = sample_of(differences, np.flatnonzero(weight > 0))
    unseen = sample_of(differences, _first_rows(differences, held_out))
    pooled = log_evidence(unseen, Basis(shared, np.zeros((len(shared), 0))))
    amount = _amount(unseen)
    gains = np.zeros((len(RIDGES), len(ranks), len(SPREADS), len(amount)))
    for place, ridge in enumerate(RIDGES):
        basis = fit_penalised(seen, shared, shared_ridge, ridge, max(ranks))
        for column, rank in enumerate(ranks):
            part = basis.truncated(rank)
            for depth, spread in enumerate(SPREADS):
                evidence = log_evidence(unseen, part.scaled(spread))
                gains[place, column, depth] = (evidence - pooled) / amount
    return gains


def fit_penalised(
    sample: Sample, shared: Doubles, shared_ridge: float, basis_ridge: float, rank: int
) -> Basis:
    """Return the basis fitted from its spectral start, axes ordered by importance."""
    start = spectral_start(sample, shared, rank=rank, ridge=basis_ridge)
    fitted = fit_basis(sample, start, shared_ridge=shared_ridge, basis_ridge=basis_ridge)
    return fitted.rotated(sample.moment)


def _first_rows(differences: Differences, held_out: NDArray[np.bool_]) -> Rows:
    """Return each held-out user's first rows of positive weight."""
    rows = np.flatnonzero(held_out & (differences.weight > 0))
    order = rows[np.argsort(differences.user[rows], kind="stable")]
    _, start, count = np.unique(differences.user[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(start, count)
    return np.sort(order[place < _FEW_SHOTS])


def _amount(sample: Sample) -> Doubles:
    """Return each user's total weight, ``(U,)``, in the order of the bound."""
    amount = np.zeros(sum(len(block.users) for block in sample.blocks))
    for block in sample.blocks:
        amount[block.users] = block.weight.sum(1)
    return amount


def _best(gains: Doubles, ranks: list[int]) -> Choice:
    """Pick by mean gain; the smallest rank that is no worse than the best within its noise."""
    users = gains.shape[-1]
    mean = gains.mean(-1)
    top = np.unravel_index(int(mean.argmax()), mean.shape)
    for column in range(len(ranks)):
        place, depth = np.unravel_index(int(mean[:, column].argmax()), mean[:, column].shape)
        mine = gains[place, column, depth]
        if mean[top] - mine.mean() <= 0.5 * _error(gains[top] - mine, users):
            break
    gain, error = float(mine.mean()), _error(mine, users)
    personal = gain > max(2.0 * error, 5e-4)
    return Choice(
        ranks[column] if personal else 0, RIDGES[int(place)], SPREADS[int(depth)], gain, error
    )


def _error(values: Doubles, users: int) -> float:
    return float(values.std(ddof=1) / np.sqrt(users)) if users > 1 else float("inf")

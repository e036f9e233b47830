"""Choice of penalty, spread and rank by the evidence of users that the fit did not see."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import Differences, fit_ridge
from persona_hierarchical.hierarchy import (
    Agreement,
    Basis,
    Sample,
    agreement_of,
    fit_basis,
    log_evidence,
    sample_of,
)
from persona_hierarchical.lower_bound import Doubles, Rows

RIDGES = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""Penalties of the basis to choose from, in units of comparisons."""

SPREADS = (0.7, 1.0, 1.4, 2.0, 2.8)
"""Factors on the basis to choose from: a penalised basis is too short."""

SHARED = (1.0, 1.2, 1.5)
"""Factors on the shared weights to choose from: their penalty was chosen without personal parts."""

RANKS = (1, 2, 3, 4, 6, 8, 12, 16)
"""Ranks to choose from."""

_COARSE_RANKS = (1, 2, 4, 8, 16)
_COARSE_SPREADS = (1.0, 2.0)
_FEW_SHOTS = 32  # comparisons of a held-out user that count: the engine serves people with few
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


@dataclass(frozen=True, slots=True)
class _Trial:
    """One fold: the users that it holds out, and what was fitted without them.

    Args:
        unseen: The held-out users' first comparisons.
        amount: ``(U,)`` their total weights.
        pooled: ``(U,)`` their log-likelihoods under the pooled fit.
        bases: The fit of each penalty.
    """

    unseen: Sample
    amount: Doubles
    pooled: Doubles
    bases: tuple[Basis, ...]

    def gain(self, basis: Basis) -> Doubles:
        """Return the nats per comparison that each unseen user gains over pooled, ``(U,)``."""
        return (log_evidence(self.unseen, basis) - self.pooled) / self.amount


def choose(
    differences: Differences,
    folds: Sequence[NDArray[np.bool_]],
    *,
    shared_ridge: float,
    max_rank: int,
    report: Callable[[int], None],
) -> Choice:
    """Return the best setting, or rank 0 when its gain is within two standard errors or negligible.

    First the penalty is chosen on a coarse grid of ranks and spreads, then these with a fine one.

    Args:
        differences: All comparisons.
        folds: For each fold, the rows that it holds out, whole users.
        shared_ridge: Penalty of the shared weights.
        max_rank: Most latent dimensions to consider.
        report: Called with the number of folds done.
    """
    trials = []
    for number, held_out in enumerate(folds):
        trials.append(_trial(differences, held_out, shared_ridge, max_rank))
        report(number + 1)
    place = _best_penalty(trials, max_rank)
    ranks = [rank for rank in RANKS if rank <= max_rank]
    settings = list(itertools.product(SPREADS, SHARED))
    gains = np.array([_gains(trials, place, rank, settings) for rank in ranks])
    return _best(gains, ranks, settings, RIDGES[place])


def _trial(
    differences: Differences, held_out: NDArray[np.bool_], shared_ridge: float, max_rank: int
) -> _Trial:
    weight = np.where(held_out, 0.0, differences.weight).astype(np.float32)
    shared = fit_ridge(differences, weight, shared_ridge)
    seen = sample_of(differences, np.flatnonzero(weight > 0))
    unseen = sample_of(differences, _first_rows(differences, held_out))
    agreement = agreement_of(seen, shared)
    bases = tuple(fit_penalised(seen, agreement, shared_ridge, each, max_rank) for each in RIDGES)
    pooled = log_evidence(unseen, Basis(shared, np.zeros((len(shared), 0))))
    return _Trial(unseen, _amount(unseen), pooled, bases)


def _best_penalty(trials: Sequence[_Trial], max_rank: int) -> int:
    """Return the place of the penalty whose best coarse setting gains most."""
    settings = [(spread, 1.0) for spread in _COARSE_SPREADS]
    ranks = [rank for rank in _COARSE_RANKS if rank <= max_rank]
    gains = [
        max(_gains(trials, place, rank, settings).mean(-1).max() for rank in ranks)
        for place in range(len(RIDGES))
    ]
    return int(np.argmax(gains))


def _gains(
    trials: Sequence[_Trial], place: int, rank: int, settings: Sequence[tuple[float, float]]
) -> Doubles:
    """Return the gains of all unseen users under each setting, ``(settings, U)``."""
    return np.array(
        [
            np.concatenate(
                [t.gain(t.bases[place].truncated(rank).scaled(s, shared=w)) for t in trials]
            )
            for s, w in settings
        ]
    )


def fit_penalised(
    sample: Sample, agreement: Agreement, shared_ridge: float, basis_ridge: float, rank: int
) -> Basis:
    """Return the basis fitted from its spectral start, axes ordered by importance."""
    start = agreement.start(rank=rank, ridge=basis_ridge)
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


def _best(
    gains: Doubles, ranks: list[int], settings: Sequence[tuple[float, float]], ridge: float
) -> Choice:
    """Pick by mean gain; the smallest rank that is no worse than the best within its noise.

    Args:
        gains: ``(ranks, settings, U)``.
        ranks: The ranks.
        settings: Spread and shared spread.
        ridge: The penalty that they were fitted with.
    """
    mean = gains.mean(-1)
    top = gains[np.unravel_index(int(mean.argmax()), mean.shape)]
    for place in range(len(ranks)):
        setting = int(mean[place].argmax())
        mine = gains[place, setting]
        if top.mean() - mine.mean() <= 0.5 * _error(top - mine):
            break
    gain, error = float(mine.mean()), _error(mine)
    spread, shared_spread = settings[setting]
    if gain <= max(2.0 * error, _LEAST_GAIN):
        return Choice(0, ridge, spread, shared_spread, gain, error)
    return Choice(ranks[place], ridge, spread, shared_spread, gain, error)


def _error(values: Doubles) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))

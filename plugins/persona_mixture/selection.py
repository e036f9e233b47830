"""Choice of the number of groups and of their penalty by users that EM did not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.modelling import (
    Crowd,
    Differences,
    Doubles,
    Groups,
    crowd_of,
    fit_groups,
    fit_ridge,
    log_sum,
)

RIDGES = (10.0, 30.0, 100.0, 300.0, 1000.0)
"""Penalties on what sets a group apart to choose from, in units of comparisons."""

SIZES = (2, 3, 4, 6, 8, 12, 16, 24)
"""Numbers of groups to choose from, beside 1."""

_FIRST_SIZE = 4  # the penalty is chosen at this size, then the size at this penalty
_FEW_SHOTS = 32  # comparisons of a held-out user that count: the engine serves people with few
_LEAST_GAIN = 2e-3  # nats per comparison: less is not worth a worse guess for a stranger
_RESTARTS = 2


@dataclass(frozen=True, slots=True)
class Choice:
    """The setting that predicts unseen users best.

    Args:
        size: Number of groups; 1 when groups gain nothing over the pooled fit.
        ridge: Penalty on what sets a group apart.
        gain: Nats per comparison that unseen users gain over the pooled fit.
        gain_error: Standard error of the gain over users.
    """

    size: int
    ridge: float
    gain: float
    gain_error: float


@dataclass(frozen=True, slots=True)
class _Fold:
    seen: Crowd
    unseen: Crowd
    shared: Doubles
    amount: Doubles
    pooled: Doubles


class Trials:
    """Fits of many settings to the same folds, each made once.

    Args:
        differences: All comparisons.
        folds: For each fold, the rows that it holds out, whole users.
        shared_ridge: Penalty of the shared weights.
        hard: Whether EM assigns each user to one group.
        seed: Decides the starts, the same for every setting.
        report: Called with the number of settings tried.
    """

    def __init__(
        self,
        differences: Differences,
        folds: Sequence[np.ndarray],
        *,
        shared_ridge: float,
        hard: bool,
        seed: int,
        report: Callable[[int], None],
    ) -> None:
        self._folds = [_fold(differences, held_out, shared_ridge) for held_out in folds]
        self._hard = hard
        self._seed = seed
        self._report = report
        self._gains: dict[tuple[int, float], Doubles] = {}

    def choose(self, sizes: Sequence[int]) -> Choice:
        """Return the best setting; the fewest groups that are no worse than the best within noise.

        First the penalty at one size; then the size, upwards until two in a row predict no better;
        last the penalties beside it at the best size.
        """
        if not sizes:
            return Choice(1, RIDGES[-1], 0.0, 0.0)
        middle = min(sizes, key=lambda size: abs(size - _FIRST_SIZE))
        ridge = max(RIDGES, key=lambda each: self._mean(middle, each))
        if self._mean(middle, ridge) <= 0.0:
            return self._pick()
        best, worse = min(sizes), 0
        for size in sorted(sizes):
            better = self._mean(size, ridge) >= self._mean(best, ridge)
            best, worse = (size, 0) if better else (best, worse + 1)
            if worse == 2:
                break
        place = RIDGES.index(ridge)
        for each in RIDGES[max(0, place - 1) : place + 2]:
            self._mean(best, each)
        return self._pick()

    def _pick(self) -> Choice:
        top = max(self._gains.values(), key=lambda gain: float(gain.mean()))
        fewest_first = sorted(self._gains, key=lambda key: (key[0], -self._mean(*key)))
        size, ridge = next(key for key in fewest_first if _within_noise(top - self._gains[key]))
        gain = self._gains[size, ridge]
        mean, error = float(gain.mean()), _error(gain)
        return Choice(size if mean > max(2.0 * error, _LEAST_GAIN) else 1, ridge, mean, error)

    def _mean(self, size: int, ridge: float) -> float:
        return float(self._gain(size, ridge).mean())

    def _gain(self, size: int, ridge: float) -> Doubles:
        """Return what each unseen user gains over pooled, ``(U,)``, in nats per comparison.

        A setting that loses on the first fold is given up: its other users count as the first do.
        """
        key = (size, ridge)
        if key not in self._gains:
            gains = [self._gain_of(self._folds[0], size, ridge)]
            first = float(gains[0].mean())
            for fold in self._folds[1:]:
                given_up = np.full(len(fold.amount), first)
                gains.append(self._gain_of(fold, size, ridge) if first > 0.0 else given_up)
            self._gains[key] = np.concatenate(gains)
            self._report(len(self._gains))
        return self._gains[key]

    def _gain_of(self, fold: _Fold, size: int, ridge: float) -> Doubles:
        fitted = fit_groups(
            fold.seen,
            fold.shared,
            size,
            ridge=ridge,
            restarts=_RESTARTS,
            rng=np.random.default_rng(self._seed),
            hard=self._hard,
        )
        gain: Doubles = (log_sum(fitted.groups.log_joint(fold.unseen)) - fold.pooled) / fold.amount
        return gain


def _fold(differences: Differences, held_out: np.ndarray, shared_ridge: float) -> _Fold:
    weight = np.where(held_out, 0.0, differences.weight).astype(np.float32)
    shared = fit_ridge(differences, weight, shared_ridge)
    unseen = crowd_of(differences, held_out, first=_FEW_SHOTS)
    everybody = Groups(shared[:, None], np.ones(1))
    return _Fold(
        crowd_of(differences, ~held_out),
        unseen,
        shared,
        unseen.by_user(unseen.weight),
        log_sum(everybody.log_joint(unseen)),
    )


def _within_noise(loss: Doubles) -> bool:
    return bool(loss.mean() <= 0.5 * _error(loss))


def _error(values: Doubles) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))

"""Whether a smooth shared reward predicts unseen users better than a linear one with tastes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import Differences, Doubles, fit_ridge, pair_loss
from persona_engine.types import FloatArray
from persona_hierarchical.few_shot import SHOTS, Exam, Projected, Scales, exam_of, project
from persona_hierarchical.gains import gain_of
from persona_hierarchical.hierarchy import Basis
from persona_hierarchical.selection import CHOOSERS, JUDGES, with_recall
from persona_hierarchical.smooth import Recurring, Smooth, fit_weights, with_spread

RIDGES = (10.0, 3.0, 1.0, 0.3, 0.1)
"""Penalties to choose from, strongest first: 1 / variance of the rewards."""

SPREADS = (0.0, 0.1, 0.15, 0.2, 0.3, 0.4)
"""Deviations over users of how closely they follow the shared reward, to choose from.

No user's order of responses changes by it, only how sure it is: so the best is taken, however
little it gains.
"""

LONG = (*SHOTS, 32, 64)
"""Numbers of comparisons after which the spread is judged: sureness takes many to learn."""

_SHARED = (0.8, 0.9, 1.0, 1.1, 1.25)
_ISLANDS_A_FOLD = 3


@dataclass(frozen=True, slots=True, eq=False)
class SmoothChoice:
    """The setting of a smooth reward that predicts unseen users best.

    Args:
        ridge: Penalty of its weights.
        personal: Whether users differ in how closely they follow it.
        scales: Factors on the reward and on how users differ.
        losses: ``(U,)`` loss of each held-out user.
    """

    ridge: float
    personal: bool
    scales: Scales
    losses: Doubles


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    differences: Differences
    comparisons: Recurring

    def fit(self, held_out: NDArray[np.bool_], ridge: float, start: Doubles | None) -> Doubles:
        weight = np.where(held_out, 0.0, self.differences.weight).astype(np.float32)
        return fit_weights(self.comparisons, weight, self.differences.target, ridge, start=start)

    def losses(self, asked: NDArray[np.bool_], logits: NDArray[np.floating]) -> Doubles:
        """Return the mean loss of each user on the asked rows."""
        weight = self.differences.weight[asked].astype(np.float64)
        _, user = np.unique(self.differences.user[asked], return_inverse=True)
        loss = pair_loss(logits[asked], self.differences.target[asked])
        seen = np.bincount(user, weight)
        return (np.bincount(user, weight * loss) / np.maximum(seen, 1e-12))[seen > 0]


def choose_smooth(
    differences: Differences,
    comparisons: Recurring,
    folds: Sequence[NDArray[np.bool_]],
    *,
    shared_ridge: float,
    keys: FloatArray,
    linear: Doubles,
) -> SmoothChoice | None:
    """Return the best setting, or None where the linear form is as good.

    The penalty is chosen, and the shared reward compared with the linear one, on new people, about
    a third of whose comparisons are about new prompts where responses fall into islands. Then both
    forms with their users are compared.

    Args:
        differences: All comparisons.
        comparisons: The same by their responses.
        folds: For each fold, the rows that it holds out, whole users.
        shared_ridge: Penalty of the linear reward.
        keys: ``(N, 2, 4)`` keys of the responses of all comparisons.
        linear: ``(U,)`` loss of each held-out user in the linear form.
    """
    case = _Case(differences, comparisons)
    straight: list[Doubles] = []
    smooth: list[list[Doubles]] = [[] for _ in RIDGES]
    for held_out, asked in _parts(differences, folds):
        weight = np.where(held_out, 0.0, differences.weight).astype(np.float32)
        shared = fit_ridge(differences, weight, shared_ridge)
        straight.append(case.losses(asked, differences.rows @ shared.astype(np.float32)))
        w: Doubles | None = None
        for place, ridge in enumerate(RIDGES):
            w = case.fit(held_out, ridge, w)
            logits = comparisons.difference(comparisons.coordinates @ w)
            smooth[place].append(case.losses(asked, logits))
    losses = [np.concatenate(each) for each in smooth]
    best = int(np.argmin([each.mean() for each in losses]))
    if not gain_of(np.concatenate(straight), losses[best]).real:
        return None
    choice = _with_persons(case, folds, RIDGES[best], keys)
    return choice if gain_of(linear, choice.losses).real else None


def _parts(
    differences: Differences, folds: Sequence[NDArray[np.bool_]]
) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return what each fold holds out, users and some islands, and what of it is asked: users."""
    island = differences.island
    count = int(island.max()) + 1
    if count < _ISLANDS_A_FOLD * len(folds):
        return [(fold, fold) for fold in folds]
    part = np.random.default_rng(0).permutation(count)[island] % len(folds)
    return [(fold | (part == each), fold) for each, fold in enumerate(folds)]


def _with_persons(
    case: _Case, folds: Sequence[NDArray[np.bool_]], ridge: float, keys: FloatArray
) -> SmoothChoice:
    """Return the setting with the spread of users that predicts unseen users best."""
    fitted = []
    for held_out in folds:
        weight = np.where(held_out, 0.0, case.differences.weight).astype(np.float32)
        w = case.fit(held_out, ridge, None)
        fitted.append(with_spread(case.comparisons, weight, w, ridge))
    rows = [_logits_and_spread(case.comparisons, each) for each in fitted]

    def view(users: int, shots: tuple[int, ...]) -> Projected:
        exams = [exam_of(case.differences, fold, users=users, shots=shots) for fold in folds]
        return _view(case, exams, rows, keys)

    long = view(JUDGES, LONG)
    several = [
        Scales(spread=spread * shared, shared=shared) for spread in SPREADS for shared in _SHARED
    ]
    scales = min(several, key=lambda each: float(long.losses(each, novel=True).mean()))
    personal = scales.spread > 0.0
    if personal:
        scales = with_recall(view(CHOOSERS, SHOTS), scales)
    losses = view(JUDGES, SHOTS).losses(replace(scales, recall=0.0), novel=True)
    return SmoothChoice(ridge, personal, scales, losses)


def _view(
    case: _Case, exams: Sequence[Exam], rows: Sequence[FloatArray], keys: FloatArray
) -> Projected:
    """Return the exams through each fold's reward, which users follow more or less closely."""
    logit = np.array([1.0, 0.0])
    bases = [Basis(logit, logit[:, None])] * len(exams)
    unsure = [np.diag([0.0, 1.0])] * len(exams)
    return project(case.differences, exams, bases, unsure, keys, rows=rows)


def _logits_and_spread(comparisons: Recurring, fitted: Smooth) -> FloatArray:
    """Return mean and deviation of each comparison's logit, ``(N, 2)``."""
    placed = comparisons.coordinates @ fitted.root
    gram = placed @ placed.T
    own = np.diag(gram)
    chosen, rejected = comparisons.chosen, comparisons.rejected
    variance = own[chosen] + own[rejected] - 2.0 * gram[chosen, rejected]
    logits = comparisons.difference(comparisons.coordinates @ fitted.weights)
    return np.stack([logits, np.sqrt(np.maximum(variance, 0.0))], 1).astype(np.float32)

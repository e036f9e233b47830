"""Ridge logistic regression on comparisons: L-BFGS, Laplace covariance, choice of the penalty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling.differences import Differences, Doubles
from persona_engine.types import FloatArray

Objective = Callable[[Doubles], tuple[float, Doubles]]

RIDGES = tuple(float(ridge) for ridge in 10.0 ** np.arange(4.0, -1.01, -0.5))
"""Penalties to choose from, strongest first, in units of comparisons."""


def minimise(
    objective: Objective, start: Doubles, *, iterations: int = 100, tolerance: float = 1e-5
) -> Doubles:
    """Return the minimum of a smooth function by L-BFGS (Liu & Nocedal 1989) from ``start``.

    Args:
        objective: Returns value and gradient; scale its variables so that curvatures are near 1.
        start: Where to begin, any shape.
        iterations: Most steps to take.
        tolerance: Stop when a step gains less than this share of ``1 + |value|``.

    A step to where the value is not a number is shortened like one that gains nothing.
    """
    point, (value, gradient) = start, _quietly(objective, start)
    steps: list[Doubles] = []
    bends: list[Doubles] = []
    for _ in range(iterations):
        direction = -_inverse_curvature(gradient, steps, bends)
        slope = float(np.vdot(direction, gradient))
        if slope >= 0.0:
            break
        length = 1.0
        while length > 1e-6:
            new = point + length * direction
            new_value, new_gradient = _quietly(objective, new)
            if new_value <= value + 1e-4 * length * slope:
                break
            length *= 0.5
        else:
            break
        gain = value - new_value
        step, bend = new - point, new_gradient - gradient
        if np.vdot(step, bend) > 1e-10 * np.vdot(bend, bend):
            steps, bends = [*steps[-7:], step], [*bends[-7:], bend]
        point, value, gradient = new, new_value, new_gradient
        if gain <= tolerance * (1.0 + abs(value)):
            break
    return point


def _quietly(objective: Objective, point: Doubles) -> tuple[float, Doubles]:
    """Return the objective at a point; the line search, not a warning, deals with what is invalid.

    OpenBLAS's single-precision products raise the flag now and then, though their operands and
    results are finite and right.
    """
    with np.errstate(invalid="ignore"):
        return objective(point)


def _inverse_curvature(
    gradient: Doubles, steps: Sequence[Doubles], bends: Sequence[Doubles]
) -> Doubles:
    """Return the L-BFGS approximation of the inverse Hessian times the gradient."""
    result = gradient.copy()
    shares: list[float] = []
    for step, bend in zip(reversed(steps), reversed(bends), strict=True):
        shares.append(float(np.vdot(step, result) / np.vdot(step, bend)))
        result = result - shares[-1] * bend
    if steps:
        result = result * (np.vdot(steps[-1], bends[-1]) / np.vdot(bends[-1], bends[-1]))
    for step, bend in zip(steps, bends, strict=True):
        back = float(np.vdot(bend, result) / np.vdot(step, bend))
        result = result + (shares.pop() - back) * step
    return result


def sigmoid(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return σ(logits) without overflow."""
    half: NDArray[np.floating] = 0.5 * (1.0 + np.tanh(0.5 * logits))
    return half


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Return the softmax over the last axis, without overflow; of nothing it is nothing.

    Examples:
        >>> softmax(np.array([1000.0, 1000.0])).tolist()
        [0.5, 0.5]
    """
    if not logits.shape[-1]:
        return logits
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    share: NDArray[Any] = raised / raised.sum(-1, keepdims=True)
    return share


def pair_loss(logits: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return ``log(1 + exp(d)) - target · d``: the negative log-likelihood of soft preferences.

    Its gradient is ``-residual(logits, target)`` and its curvature ``p (1 - p)``, whatever the
    target.

    Examples:
        >>> pair_loss(np.array([0.0, 2.0]), np.array([1.0, 0.5])).round(4).tolist()
        [0.6931, 1.1269]
    """
    loss: NDArray[np.floating] = np.logaddexp(0.0, -logits) + (1.0 - target) * logits
    return loss


def residual(logits: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return ``target - p``: what is left of each preference after its prediction."""
    left: NDArray[np.floating] = sigmoid(-logits) - (1.0 - target)
    return left


_ISLANDS_A_FOLD = 3  # fewer say too little about new ones
_PEOPLE_AN_ISLAND = 2  # islands that one person has alone are held out with the person


def fit_ridge(
    differences: Differences, weight: FloatArray, ridge: float, *, start: Doubles | None = None
) -> Doubles:
    """Return ``w (R,)`` that minimises ``Σ weight · pair_loss(w·Δ) + ridge/2 · |w|²``."""
    rows, target = differences.rows, differences.target
    total = float(weight.sum(dtype=np.float64))
    curvature: Doubles = np.sqrt(0.25 * total * differences.moment + ridge)

    def objective(scaled: Doubles) -> tuple[float, Doubles]:
        w = scaled / curvature
        logits = rows @ w.astype(np.float32)
        fit = float(np.vdot(weight, pair_loss(logits, target)))
        loss = fit + 0.5 * ridge * float(w @ w)
        pull = (weight * residual(logits, target)).astype(np.float32)
        return loss, (ridge * w - rows.T @ pull) / curvature

    begin = np.zeros(rows.shape[1]) if start is None else start * curvature
    w: Doubles = minimise(objective, begin) / curvature
    return w


def choose_ridge(
    differences: Differences, folds: Sequence[NDArray[np.bool_]], report: Callable[[int], None]
) -> tuple[float, Doubles]:
    """Return the penalty with the least held-out loss, and the loss of each, ``(ridges,)``.

    Where the responses fall into islands that several people share, such as the replies to one
    prompt, each fold holds out some islands, too: what is learned has to hold for new people and
    for new prompts.

    Args:
        differences: All comparisons.
        folds: For each fold, the rows that it holds out, ``(N,)``.
        report: Called with the number of folds done.
    """
    losses = np.full((len(folds), len(RIDGES)), np.nan)
    for number, (held_out, asked) in enumerate(_with_islands(differences, folds)):
        weight = np.where(held_out, 0.0, differences.weight).astype(np.float32)
        w = None
        for place, ridge in enumerate(RIDGES):
            w = fit_ridge(differences, weight, ridge, start=w)
            losses[number, place] = held_out_loss(differences, asked, w)
        report(number + 1)
    mean = losses.mean(0)
    return RIDGES[int(mean.argmin())], mean


def _with_islands(
    differences: Differences, folds: Sequence[NDArray[np.bool_]]
) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return what each fold holds out, and what of it is asked."""
    island = differences.island
    visits = np.unique(np.stack([island, differences.user]), axis=1).shape[1]
    count = int(island.max()) + 1
    alone = [(fold, fold) for fold in folds]
    if count < _ISLANDS_A_FOLD * len(folds) or visits < _PEOPLE_AN_ISLAND * count:
        return alone
    part = np.random.default_rng(0).permutation(count)[island] % len(folds)
    both = [(fold | (part == each), fold & (part == each)) for each, fold in enumerate(folds)]
    return both if all(differences.weight[asked].any() for _, asked in both) else alone


def held_out_loss(differences: Differences, held_out: NDArray[np.bool_], w: Doubles) -> float:
    """Return the mean over users of their mean negative log-likelihood on the held-out rows."""
    logits = differences.rows[held_out] @ w.astype(np.float32)
    weight = differences.weight[held_out].astype(np.float64)
    _, user = np.unique(differences.user[held_out], return_inverse=True)
    loss = np.bincount(user, weight * pair_loss(logits, differences.target[held_out]))
    seen = np.bincount(user, weight)
    return float((loss[seen > 0] / seen[seen > 0]).mean())


def folds_of_users(
    user: NDArray[np.int64], *, count: int, rng: np.random.Generator
) -> list[NDArray[np.bool_]]:
    """Split users at random into at most ``count`` folds; a lone user's rows are split instead."""
    people, owner = np.unique(user, return_inverse=True)
    if len(people) < 2:
        people, owner = np.arange(len(user)), np.arange(len(user))
    fold = rng.permutation(len(people)) % min(count, len(people))
    return [fold[owner] == each for each in range(int(fold.max()) + 1)]


def laplace_covariance(differences: Differences, w: Doubles, ridge: float) -> tuple[Doubles, float]:
    """Return the Laplace covariance of ``w`` and how much clustering by user inflates it.

    The covariance is ``H⁻¹``, ``H = ridge·I + Σ weight · p(1-p) Δ Δᵀ``. Comparisons of one user
    resemble one another, which makes ``H⁻¹`` too small; the inflation is the mean ratio of the
    variance of the users' summed scores to ``H``, at least 1 (Liang & Zeger 1986, "Longitudinal
    data analysis using generalized linear models").
    """
    rows = differences.rows
    logits = rows @ w.astype(np.float32)
    p = sigmoid(logits)
    information = _gram(rows, differences.weight * p * (1.0 - p))
    hessian = information + ridge * np.eye(len(w))
    covariance = np.linalg.inv(hessian)
    order = np.argsort(differences.user, kind="stable")
    _, begin = np.unique(differences.user[order], return_index=True)
    pull = differences.weight * residual(logits, differences.target)
    scores = np.add.reduceat((rows * pull[:, None])[order], begin, axis=0)
    spread = float(np.einsum("ur,rs,us->", scores, covariance, scores, optimize=True))
    expected = float(np.einsum("rs,sr->", covariance, information))
    return 0.5 * (covariance + covariance.T), max(1.0, spread / max(expected, 1e-12))


def _gram(rows: FloatArray, weight: NDArray[np.floating]) -> Doubles:
    weighted = rows * np.sqrt(weight).astype(np.float32)[:, None]
    gram: Doubles = (weighted.T @ weighted).astype(np.float64)
    return gram

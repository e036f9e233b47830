"""Mixtures of users: each user belongs to one of K groups, each group has a reward head; by EM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling.differences import Differences, Doubles
from persona_engine.modelling.logistic import minimise, pair_loss, residual
from persona_engine.types import FloatArray

_STEPS = 4  # quasi-Newton steps of one M-step: it starts where the last one ended
_NEGLIGIBLE = 1e-3  # a user with less of her in a group does not teach its head


@dataclass(frozen=True, slots=True)
class Crowd:
    """Comparisons of some users, those of each user side by side.

    Args:
        rows: ``(N, R)`` differences in the principal axes.
        weight: ``(N,)`` strengths.
        target: ``(N,)`` shares of the preferences that go to the chosen responses.
        owner: ``(N,)`` place of each row's user, ascending.
        users: ``(U,)`` the users.
        moment: ``(R,)`` second moment of each axis over all comparisons.
    """

    rows: FloatArray
    weight: FloatArray
    target: FloatArray
    owner: NDArray[np.int64]
    users: NDArray[np.int64]
    moment: Doubles

    @property
    def begin(self) -> NDArray[np.int64]:
        """First row of each user, ``(U,)``."""
        return np.flatnonzero(np.diff(self.owner, prepend=-1))

    def by_user(self, values: NDArray[np.floating]) -> Doubles:
        """Return the sums of values ``(N, …)`` over each user's rows, ``(U, …)``."""
        sums: Doubles = np.add.reduceat(values.astype(np.float64), self.begin, axis=0)
        return sums


def crowd_of(
    differences: Differences, chosen: NDArray[np.bool_], *, first: int | None = None
) -> Crowd:
    """Return the chosen rows of positive weight, at most the ``first`` of each user."""
    rows = np.flatnonzero(chosen & (differences.weight > 0))
    rows = rows[np.argsort(differences.user[rows], kind="stable")]
    users, owner, count = np.unique(differences.user[rows], return_inverse=True, return_counts=True)
    if first is not None:
        place = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
        rows, owner = rows[place < first], owner[place < first]
    return Crowd(
        differences.rows[rows],
        differences.weight[rows],
        differences.target[rows],
        owner,
        users,
        differences.moment,
    )


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of users.

    Args:
        heads: ``(R, K)`` weights of the principal axes, one column a group.
        prior: ``(K,)`` share of the users in each group.
    """

    heads: Doubles
    prior: Doubles

    @property
    def size(self) -> int:
        """Number of groups, ``K``."""
        return len(self.prior)

    def log_joint(self, crowd: Crowd) -> Doubles:
        """Return ``log π_k + log P(comparisons of u | k)``, ``(U, K)``."""
        logits = crowd.rows @ self.heads.astype(np.float32)  # (N, K)
        loss = crowd.weight[:, None] * pair_loss(logits, crowd.target[:, None])
        return np.log(self.prior) - crowd.by_user(loss)


def log_sum(log_values: Doubles) -> Doubles:
    """Return ``log Σ_k exp(values)`` over the last axis."""
    highest = log_values.max(-1, keepdims=True)
    result: Doubles = np.log(np.exp(log_values - highest).sum(-1)) + highest[..., 0]
    return result


def responsibilities(log_joint: Doubles, *, hard: bool = False) -> Doubles:
    """Return P(group | comparisons), ``(U, K)``; hard gives all of it to the most probable."""
    if hard:
        certain: Doubles = np.eye(log_joint.shape[1])[log_joint.argmax(1)]
        return certain
    share = np.exp(log_joint - log_joint.max(1, keepdims=True))
    result: Doubles = share / share.sum(1, keepdims=True)
    return result


@dataclass(frozen=True, slots=True)
class FittedGroups:
    """What EM ended at.

    Args:
        groups: The groups.
        objective: Penalised log-likelihood.
        rounds: EM rounds that it took.
    """

    groups: Groups
    objective: float
    rounds: int


def fit_groups(
    crowd: Crowd,
    shared: Doubles,
    size: int,
    *,
    ridge: float,
    restarts: int,
    rng: np.random.Generator,
    hard: bool = False,
) -> FittedGroups:
    """Return the best of some runs of EM, by penalised log-likelihood.

    Every third run starts from random groups; the others from k-means in the leading directions in
    which users depart from the shared weights.

    Args:
        crowd: The comparisons.
        shared: ``(R,)`` weights that the heads are drawn to.
        size: Number of groups, ``K``.
        ridge: Penalty, in units of comparisons.
        restarts: Number of runs.
        rng: Draws the starts.
        hard: As in `expectation_maximisation`.
    """
    if size == 1:
        everybody = Groups(shared[:, None], np.ones(1))
        return FittedGroups(everybody, float(log_sum(everybody.log_joint(crowd)).sum()), 0)
    departures = user_departures(crowd, shared, ridge=ridge, directions=size)
    fits = []
    for run in range(restarts):
        if run % 3 == 2:
            group = rng.integers(size, size=len(crowd.users))
        else:
            group = k_means(departures, size, rng=rng)
        start = np.eye(size)[group]
        fits.append(expectation_maximisation(crowd, shared, start, ridge=ridge, hard=hard))
    return max(fits, key=lambda fit: fit.objective)


def user_departures(crowd: Crowd, shared: Doubles, *, ridge: float, directions: int) -> Doubles:
    """Return where each user departs from the shared weights, ``(U, <= directions)``.

    A Newton step from the shared weights for each user, with the axes' mean curvature and the
    penalty, in units of logits, reduced to its leading singular directions.
    """
    logits = crowd.rows @ shared.astype(np.float32)
    left = (crowd.weight * residual(logits, crowd.target)).astype(np.float32)
    pull = crowd.by_user(crowd.rows * left[:, None])  # (U, R)
    amount = crowd.by_user(crowd.weight)[:, None]
    steps = pull / (0.25 * amount * crowd.moment + ridge) * np.sqrt(crowd.moment)
    left_vectors, values, _ = np.linalg.svd(steps - steps.mean(0), full_matrices=False)
    leading: Doubles = left_vectors[:, :directions] * values[:directions]
    return leading


def k_means(
    points: Doubles, size: int, *, rng: np.random.Generator, rounds: int = 50
) -> NDArray[np.int64]:
    """Return the cluster of each point by Lloyd's algorithm from k-means++ seeds.

    Arthur & Vassilvitskii (2007), "k-means++: the advantages of careful seeding".
    """
    centres = points[[rng.integers(len(points))]]
    for _ in range(size - 1):
        nearest = _squared_distances(points, centres).min(1)
        total = nearest.sum()
        chance = nearest / total if total > 0 else None
        centres = np.concatenate([centres, points[[rng.choice(len(points), p=chance)]]])
    cluster = np.full(len(points), -1)
    for _ in range(rounds):
        before, cluster = cluster, _squared_distances(points, centres).argmin(1)
        if np.array_equal(before, cluster):
            break
        for each in np.unique(cluster):
            centres[each] = points[cluster == each].mean(0)
    return cluster


def _squared_distances(points: Doubles, centres: Doubles) -> Doubles:
    lengths = np.square(points).sum(1)[:, None] + np.square(centres).sum(1)
    distances: Doubles = np.maximum(lengths - 2.0 * points @ centres.T, 0.0)
    return distances


def expectation_maximisation(
    crowd: Crowd,
    shared: Doubles,
    start: Doubles,
    *,
    ridge: float,
    hard: bool = False,
    rounds: int = 40,
    tolerance: float = 1e-3,
) -> FittedGroups:
    """Maximise ``Σ_u log Σ_k π_k P(u | w_k) - ridge/2 Σ_k |w_k - shared|²`` by EM.

    The E-step computes `responsibilities`, the M-step fits weighted ridge logistic heads, all at
    once, from those of the round before (generalised EM: Dempster, Laird & Rubin 1977). Heads are
    drawn to the shared weights, so that a group of few users still knows what everybody prefers.

    Args:
        crowd: The comparisons.
        shared: ``(R,)`` weights that the heads are drawn to.
        start: ``(U, K)`` responsibilities to begin with.
        ridge: Penalty, in units of comparisons.
        hard: Assign each user to one group (as MaxMin-RLHF does) instead of to all by probability.
        rounds: Most EM rounds.
        tolerance: Stop when a round gains less than this many nats a user.
    """
    heads, share = np.repeat(shared[:, None], start.shape[1], 1), start
    found = FittedGroups(Groups(heads, start.mean(0)), -np.inf, 0)
    for done in range(1, rounds + 1):
        heads = _fit_heads(crowd, shared, heads, share, ridge)
        groups = Groups(heads, (share.sum(0) + 1.0) / (len(share) + share.shape[1]))
        joint = groups.log_joint(crowd)
        fit = joint.max(1) if hard else log_sum(joint)
        penalty = 0.5 * ridge * np.square(heads - shared[:, None]).sum()
        objective = float(fit.sum() - penalty + np.log(groups.prior).sum())
        gain, found = objective - found.objective, FittedGroups(groups, objective, done)
        if gain < tolerance * len(share):
            break
        share = responsibilities(joint, hard=hard)
    return found


def _fit_heads(
    crowd: Crowd, shared: Doubles, heads: Doubles, share: Doubles, ridge: float
) -> Doubles:
    """Return the heads ``(R, K)`` nearer to the optimum of the M-step."""
    fitted = np.repeat(shared[:, None], heads.shape[1], 1)
    for group in range(heads.shape[1]):
        strength = crowd.weight * share[crowd.owner, group].astype(np.float32)
        taught = share[crowd.owner, group] > _NEGLIGIBLE
        if 2 * np.count_nonzero(taught) > len(taught):  # copying rows would cost more than it saves
            part = _Part(crowd.rows, strength, crowd.target)
        elif taught.any():
            part = _Part(crowd.rows[taught], strength[taught], crowd.target[taught])
        else:
            continue
        fitted[:, group] = _fit_head(part, crowd.moment, shared, heads[:, group], ridge)
    return fitted


@dataclass(frozen=True, slots=True)
class _Part:
    """Comparisons of one group, their strengths times the shares of their users in it."""

    rows: FloatArray
    strength: FloatArray
    target: FloatArray


def _fit_head(
    part: _Part, moment: Doubles, shared: Doubles, head: Doubles, ridge: float
) -> Doubles:
    total = float(part.strength.sum(dtype=np.float64))
    curvature: Doubles = np.sqrt(0.25 * total * moment + ridge)

    def objective(scaled: Doubles) -> tuple[float, Doubles]:
        deviation = scaled / curvature
        logits = part.rows @ (shared + deviation).astype(np.float32)
        fit = float(np.vdot(part.strength, pair_loss(logits, part.target)))
        loss = fit + 0.5 * ridge * float(deviation @ deviation)
        pull = part.strength * residual(logits, part.target).astype(np.float32)
        return loss, (ridge * deviation - part.rows.T @ pull) / curvature

    begin = (head - shared) * curvature
    found = minimise(objective, begin, iterations=_STEPS, tolerance=1e-5)
    fitted: Doubles = shared + found / curvature
    return fitted

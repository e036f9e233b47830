"""Expectation-maximisation for groups in what users said (extreme deconvolution)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_clusters.components import (
    SCALES,
    Components,
    Expected,
    expected,
    log_shares,
    log_sum,
    nobodys_evidence,
)
from persona_clusters.told import Doubles, Told
from persona_engine.modelling import k_means

_NOBODY = 0.2  # share of the people of no group to begin with
_WITHIN = 0.1  # variance within groups to begin with, in units of the prior's
_FIRST_ROUNDS = 15  # after which only the best start is followed


@dataclass(frozen=True, slots=True)
class Regular:
    """What keeps groups of few users reasonable.

    Args:
        strength: Users that the covariance pooled over groups counts as, in each group.
        spread: Variance within groups before anything is known of it, in units of the prior's.
        doubt: Users that this counts as, in the pooled covariance.
        nobody: Users of no group that are presumed beside those of the data.
    """

    strength: float = 50.0
    spread: float = 0.05
    doubt: float = 20.0
    nobody: float = 5.0


def fit_groups(
    told: Told,
    size: int,
    neutral: Doubles,
    *,
    starts: int,
    rounds: int,
    rng: np.random.Generator,
    regular: Regular = Regular(),  # frozen
) -> Components:
    """Return ``size`` groups that fit best, of several starts.

    Maximises ``Σ_u log Σ_c π_c ∫ N(y; μ_c, V_c) exp(η_uᵀy - ½ yᵀΛ_u y) dy`` over the groups'
    ``π``, ``μ``, ``V`` and the shares of nobody's people, ``V`` shrunk towards what the groups
    have in common.

    Args:
        told: What users said.
        size: Groups.
        neutral: ``(d,)`` where the indifferent stand.
        starts: Runs from k-means; each goes a few rounds, the best one on.
        rounds: Rounds at most.
        rng: Draws the starts.
        regular: What keeps groups of few users reasonable.
    """
    begun = [
        begin_at(_clusters(told, size + number % 2, rng=rng), size, neutral)
        for number in range(starts)
    ]
    return fit_from(told, begun, rounds=rounds, regular=regular)[0]


def fit_from(
    told: Told, starts: Sequence[Components], *, rounds: int, regular: Regular
) -> tuple[Components, float]:
    """Return the groups that the most promising start leads to, and the log-likelihood per user."""
    nobodys = nobodys_evidence(told, starts[0].neutral)
    first = min(_FIRST_ROUNDS, rounds)
    tried = [_maximise(told, each, nobodys, regular, rounds=first) for each in starts]
    best = max(tried, key=lambda each: each[1])
    if first == rounds:
        return best
    return _maximise(told, best[0], nobodys, regular, rounds=rounds)


def begin_at(centres: Doubles, size: int, neutral: Doubles) -> Components:
    """Return the ``size`` groups at the centres ``(n, d)`` that are farthest from the indifferent.

    Those that are left out are left to nobody's people.
    """
    width = centres.shape[1]
    far = np.argsort(-np.square(centres - neutral).sum(1), kind="stable")[:size]
    nobody = np.full(len(SCALES), _NOBODY / len(SCALES))
    return Components(
        np.append(np.full(size, (1.0 - _NOBODY) / size), nobody),
        centres[far],
        np.tile(np.sqrt(_WITHIN) * np.eye(width), (size, 1, 1)),
        neutral,
    )


def _clusters(told: Told, size: int, *, rng: np.random.Generator) -> Doubles:
    """Return ``(size, d)`` centres of the posterior means of who said something."""
    spoke = np.flatnonzero(told.information > 0.0)
    places = told.place[spoke] if len(spoke) > size else told.place
    cluster = k_means(places, size, rng=rng)
    return np.stack(
        [
            places[cluster == each].mean(0)
            if (cluster == each).any()
            else rng.normal(size=places.shape[1])
            for each in range(size)
        ]
    )


def _maximise(
    told: Told,
    start: Components,
    nobodys: Doubles,
    regular: Regular,
    *,
    rounds: int,
    tolerance: float = 1e-4,
) -> tuple[Components, float]:
    """Return the groups that a start leads to, and the log-likelihood per user."""
    now, before = start, -np.inf
    for _ in range(rounds):
        found = expected(told, now.mean, now.root)
        logs = log_shares(now.share) + np.concatenate([found.evidence, nobodys], 1)
        total = log_sum(logs)
        score = float(total.mean())
        if score - before < tolerance:
            break
        before = score
        now = _updated(now, np.exp(logs - total[:, None]), found, regular)
    return now, score


def _updated(now: Components, chance: Doubles, found: Expected, regular: Regular) -> Components:
    groups, width = now.mean.shape
    mine = chance[:, :groups]
    weight = mine.sum(0)
    weigh = mine / np.maximum(weight, 1e-9)  # (U, K)
    centre = np.einsum("uc,ucd->cd", weigh, found.mean)
    off = found.mean - centre
    within = np.einsum("uci,ucj->cij", weigh[..., None] * off, off, optimize=True)
    within += np.einsum("uc,ucij->cij", weigh, found.covariance)
    pooled = np.einsum("c,cij->ij", weight / max(weight.sum(), 1e-9), within)
    known = weight.sum() / (weight.sum() + regular.doubt)
    pooled = known * pooled + (1.0 - known) * regular.spread * np.eye(width)
    blend = (weight / (weight + regular.strength))[:, None, None]
    shrunk = blend * within + (1.0 - blend) * pooled
    counted = chance.sum(0)
    counted[groups:] += regular.nobody / len(SCALES)
    root = np.linalg.cholesky(0.5 * (shrunk + shrunk.swapaxes(1, 2)))
    return Components(counted / counted.sum(), centre, root, now.neutral)

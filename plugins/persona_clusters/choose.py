"""How many groups there are, by the likelihood of users whom a fit did not see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from persona_clusters.components import Components, log_evidence, log_sum, membership
from persona_clusters.told import Told
from persona_engine.interfaces import Progress

Fit = Callable[[Told, int, np.random.Generator], Components]

_PATIENCE = 2  # numbers of groups without gain after which no more are tried


@dataclass(frozen=True, slots=True)
class Least:
    """What a group must have to be one.

    Args:
        users: Users, counted by membership.
        comparisons: Comparisons, counted likewise.
    """

    users: int
    comparisons: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """The groups, and how well each number of them predicted held-out users.

    Args:
        components: Of the chosen number, fitted to all.
        held_out: Log-likelihood per held-out user, by number of groups.
    """

    components: Components
    held_out: dict[int, float]


def choose(
    told: Told,
    fit: Fit,
    *,
    most: int,
    folds: int,
    sample: int,
    least: Least,
    rng: np.random.Generator,
    progress: Progress,
) -> Chosen:
    """Return the fewest groups that predict unseen users as well as any number does.

    As well is: not worse than the best by more than two standard errors of the users' differences.
    A number is tried only if every group can have its least users and comparisons.

    Args:
        told: All users.
        fit: Fits a number of groups.
        most: Groups at most.
        folds: Parts that users are split into.
        sample: Users at most by whom the number is chosen.
        least: What a group must have.
        rng: Draws sample and folds.
        progress: Told of each number.
    """
    some = told
    if len(told) > sample:
        some = told.take(np.sort(rng.choice(len(told), sample, replace=False)))
    fold = rng.permutation(len(some)) % folds
    top = min(most, len(told) // least.users, int(told.count.sum()) // least.comparisons)
    scores: dict[int, np.ndarray] = {}
    best = 1
    for size in range(1, max(top, 1) + 1):
        progress("choosing the number of groups", size - 1, top)
        scores[size] = _held_out(some, fit, size, fold, rng)
        if scores[size].mean() > scores[best].mean():
            best = size
        if size - best >= _PATIENCE:
            break
    size = next(each for each in scores if _as_good(scores[each], scores[best]))
    progress("fitting the groups", 0, 1)
    while True:
        components = fit(told, size, rng)
        if size == 1 or _large_enough(told, components, least):
            break
        size -= 1
    progress("fitting the groups", 1, 1)
    return Chosen(components, {each: float(found.mean()) for each, found in scores.items()})


def _held_out(
    told: Told, fit: Fit, size: int, fold: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the log-likelihood of each user under a fit to the other folds, ``(U,)``."""
    found = np.empty(len(told))
    for each in np.unique(fold):
        components = fit(told.take(fold != each), size, rng)
        found[fold == each] = log_sum(log_evidence(told.take(fold == each), components))
    return found


def _as_good(score: np.ndarray, best: np.ndarray) -> bool:
    apart = best - score
    return bool(apart.mean() <= 2.0 * apart.std() / np.sqrt(len(apart)))


def _large_enough(told: Told, components: Components, least: Least) -> bool:
    belongs = membership(told, components)
    users, comparisons = belongs.sum(0), told.count @ belongs
    return bool((users >= least.users).all() and (comparisons >= least.comparisons).all())

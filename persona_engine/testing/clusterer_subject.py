"""What the checks of a clusterer share: the plugin, planted users, and one fit to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from persona_engine.interfaces import Clusterer
from persona_engine.types import Beliefs, Clustering, FloatArray, IntArray

ClustererFactory = Callable[[], Clusterer]
Doubles = NDArray[np.float64]
SEED = 30
NOISE = -1

_SIZES = (75, 40, 20)
_NOISE_USERS = 35
_WIDTH = 5
_CENTRE = np.array([0.3, -0.2, 0.1, 0.0, 0.4])
_SCALE = np.array([1.5, 0.8, 1.0, 1.2, 0.7])  # standard deviations of the population's prior


@dataclass(frozen=True, slots=True, eq=False)
class PlantedUsers:
    """Users of known groups, and what is believed about each.

    Args:
        beliefs: Posteriors under a prior that is not the standard normal one.
        group: ``(U,)`` the group of each, or `NOISE`.
    """

    beliefs: Beliefs
    group: IntArray


class ClustererSubject:
    """A clusterer under test, fitted when a check first needs it."""

    def __init__(self, factory: ClustererFactory) -> None:
        self.factory = factory

    @cached_property
    def clusterer(self) -> Clusterer:
        """One instance that the checks share."""
        return self.factory()

    @cached_property
    def planted(self) -> PlantedUsers:
        """Three groups, and users who answered at random."""
        return plant_users(np.random.default_rng(SEED))

    def fit(self, beliefs: Beliefs | None = None, clusterer: Clusterer | None = None) -> Clustering:
        """Return the clustering of some users with a fixed seed; of the planted ones by default."""
        return (clusterer or self.clusterer).fit(
            self.planted.beliefs if beliefs is None else beliefs,
            population="planted",
            rng=np.random.default_rng(SEED),
        )

    @cached_property
    def clustering(self) -> Clustering:
        """The clustering of the planted users."""
        return self.fit()

    @cached_property
    def membership(self) -> FloatArray:
        """Memberships ``(U, K)`` of the planted users."""
        return self.clusterer.membership(self.clustering, self.planted.beliefs)


def plant_users(rng: np.random.Generator, *, answers: tuple[int, int] = (16, 24)) -> PlantedUsers:
    """Return users whose groups stand apart, seen through answers."""
    group = np.repeat([*range(len(_SIZES)), NOISE], [*_SIZES, _NOISE_USERS]).astype(np.int64)
    group = rng.permutation(group)
    centres = 1.9 * np.eye(_WIDTH)[: len(_SIZES)]
    own = centres[np.maximum(group, 0)] + rng.normal(0.0, 0.15, (len(group), _WIDTH))
    own[group == NOISE] = 0.0  # to whom all replies are alike
    count = rng.integers(answers[0], answers[1], len(group), endpoint=True)
    return PlantedUsers(believed(own, count, rng), group)


def believed(place: Doubles, count: IntArray, rng: np.random.Generator) -> Beliefs:
    """Return posteriors of users who stand at ``place (U, k)``, in units of the prior.

    Each answer has a random direction, so that users are known along different ones.
    """
    mean, covariance = np.empty(place.shape), np.empty((*place.shape, place.shape[1]))
    for row, (own, answers) in enumerate(zip(place, count.tolist(), strict=True)):
        asked = rng.normal(size=(answers, len(own)))
        heard = asked @ own + rng.normal(size=answers)
        covariance[row] = np.linalg.inv(np.eye(len(own)) + asked.T @ asked)
        mean[row] = covariance[row] @ asked.T @ heard
    scale = np.outer(_SCALE, _SCALE)
    return Beliefs(
        tuple(f"user-{row:03}" for row in range(len(place))),
        (_CENTRE + _SCALE * mean).astype(np.float32),
        (scale * covariance).astype(np.float32),
        count.astype(np.int64),
        _CENTRE.astype(np.float32),
        np.diag(np.square(_SCALE)).astype(np.float32),
        _CENTRE.astype(np.float32),
    )


def taken(beliefs: Beliefs, rows: IntArray) -> Beliefs:
    """Return some users, in that order."""
    return replace(
        beliefs,
        users=tuple(beliefs.users[row] for row in rows.tolist()),
        mean=beliefs.mean[rows],
        covariance=beliefs.covariance[rows],
        count=beliefs.count[rows],
    )


def unknown(beliefs: Beliefs) -> Beliefs:
    """Return what is believed of one user who has said nothing."""
    return replace(
        beliefs,
        users=("nobody",),
        mean=beliefs.prior_mean[None],
        covariance=beliefs.prior_covariance[None],
        count=np.zeros(1, np.int64),
    )


def repeated(beliefs: Beliefs, times: float) -> Beliefs:
    """Return what would be believed if everybody had said the same ``times`` over."""
    prior = np.linalg.inv(beliefs.prior_covariance.astype(np.float64))
    precision = np.linalg.inv(beliefs.covariance.astype(np.float64))  # (U, k, k)
    off = (beliefs.mean - beliefs.prior_mean).astype(np.float64)
    pull = np.einsum("uij,uj->ui", precision, off)
    covariance = np.linalg.inv(prior + times * (precision - prior))
    mean = beliefs.prior_mean + times * np.einsum("uij,uj->ui", covariance, pull)
    return replace(
        beliefs,
        mean=mean.astype(np.float32),
        covariance=covariance.astype(np.float32),
        count=np.ceil(times * beliefs.count).astype(np.int64),
    )


def agreement(left: IntArray, right: IntArray) -> float:
    """Return the adjusted Rand index of two partitions (Hubert & Arabie 1985)."""
    table = np.zeros((int(left.max()) + 1, int(right.max()) + 1))
    np.add.at(table, (left, right), 1.0)

    def pairs(counts: Doubles) -> float:
        return float((counts * (counts - 1.0) / 2.0).sum())

    both, rows, columns = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    chance = rows * columns / max(pairs(np.array([float(len(left))])), 1.0)
    most = (rows + columns) / 2.0
    return 1.0 if most == chance else (both - chance) / (most - chance)

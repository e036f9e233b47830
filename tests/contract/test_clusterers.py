"""The suite of clusterers passes a right one and catches wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from persona_clusters import GaussianMixture
from persona_engine.errors import ConformanceError
from persona_engine.testing import CHECKS, check_clusterer, clusterer_checks
from persona_engine.types import Beliefs, Clustering


class Right(GaussianMixture):
    """Kept small: ``P(c | u) ∝ π_c Z_uc`` (Bovy, Hogg & Roweis 2011)."""

    def __init__(self) -> None:
        super().__init__(starts=6, rounds=40, folds=2, most_groups=4)


@pytest.mark.parametrize("check", clusterer_checks(Right))
def test_the_right_clusterer_passes(check: Callable[[], None]) -> None:
    check()


class Unnormalised(Right):
    def membership(self, clustering, beliefs):
        return 0.5 * super().membership(clustering, beliefs)


class NeedsSomebody(Right):
    def membership(self, clustering, beliefs):
        found = super().membership(clustering, beliefs)
        return found if len(found) else np.zeros((1, found.shape[1]), np.float32)


class OneGroup(Right):
    def __init__(self) -> None:
        GaussianMixture.__init__(self, starts=1, most_groups=1)


class Hard(Right):
    def membership(self, clustering, beliefs):
        found = super().membership(clustering, beliefs)
        return np.eye(found.shape[1], dtype=np.float32)[found.argmax(1)]


class Timid(Right):
    def membership(self, clustering, beliefs):
        found = super().membership(clustering, beliefs)
        return 0.5 * found + 0.5 / found.shape[1]


class ByDistance(Right):
    """Takes posterior means for where people stand."""

    def membership(self, clustering, beliefs):
        place = (beliefs.mean - clustering.arrays["centre"]) @ clustering.arrays["axes"]
        apart = np.square(place[:, None] - clustering.arrays["mean"]).sum(-1)
        near = np.exp(-apart)
        return (near / near.sum(1, keepdims=True)).astype(np.float32)


class NineOfTen(Right):
    """Is as sure of everybody, whatever their answers."""

    def membership(self, clustering, beliefs):
        found = super().membership(clustering, beliefs)
        groups = found.shape[1]
        likeliest = np.eye(groups, dtype=np.float32)[found.argmax(1)]
        return (0.9 * likeliest + 0.1 / groups).astype(np.float32)


class InTheirOrder(Right):
    def fit(self, beliefs, *, population, rng, progress=lambda *_: None):
        numbered = tuple(f"{place:05}" for place in range(len(beliefs)))
        drawn = rng.permutation(len(beliefs))[: len(beliefs) // 3]
        some = Beliefs(
            tuple(numbered[place] for place in drawn),
            beliefs.mean[drawn],
            beliefs.covariance[drawn],
            beliefs.count[drawn],
            beliefs.prior_mean,
            beliefs.prior_covariance,
            beliefs.indifferent,
        )
        return super().fit(some, population=population, rng=rng, progress=progress)


class Ranks(Right):
    def membership(self, clustering, beliefs):
        found = super().membership(clustering, beliefs)
        mixed = 0.9 * found + 0.1 * found.mean(0, keepdims=True) if len(found) else found
        return mixed.astype(np.float32)


class Remembers(Right):
    def fit(self, beliefs, *, population, rng, progress=lambda *_: None):
        self.prior = beliefs.prior_mean
        return super().fit(beliefs, population=population, rng=rng, progress=progress)

    def membership(self, clustering, beliefs):
        off = beliefs.prior_mean - getattr(self, "prior", 1.0)
        return super().membership(clustering, replace(beliefs, mean=beliefs.mean + off))


class SmallestFirst(Right):
    def fit(self, beliefs, *, population, rng, progress=lambda *_: None):
        right = super().fit(beliefs, population=population, rng=rng, progress=progress)
        groups = len(right.names)
        turned = {name: right.arrays[name][::-1] for name in ("mean", "root")}
        share = right.arrays["share"]
        turned["share"] = np.concatenate([share[:groups][::-1], share[groups:]])
        return replace(right, arrays={**right.arrays, **turned})


class OwnSeed(Right):
    def fit(self, beliefs, *, population, rng, progress=lambda *_: None):
        right = super().fit(beliefs, population=population, rng=rng, progress=progress)
        return replace(right, meta={**right.meta, "drawn": float(np.random.default_rng().random())})


class Centres(Right):
    def membership(self, clustering, beliefs):
        found = super().membership(clustering, beliefs)
        if len(beliefs) > 1:
            beliefs.mean[:] -= beliefs.mean.mean(0)
        return found


class TakesAnybody(Right):
    def fit(self, beliefs, *, population, rng, progress=lambda *_: None):
        if len(beliefs) > 2:
            return super().fit(beliefs, population=population, rng=rng, progress=progress)
        return Clustering(self.name, population, ("group-1",), {})


class Heavy(Right):
    """See `Right`: ``P(c | u) ∝ π_c Z_uc`` (2011)."""


Heavy.__module__ = "torch"


class Undocumented(Right):
    """Finds groups."""


WRONG = {
    Unnormalised: "memberships_are_probabilities",
    NeedsSomebody: "nobody_gives_no_rows",
    OneGroup: "planted_groups_are_recovered",
    Hard: "random_answers_stay_unsure",
    Timid: "members_are_sure",
    ByDistance: "who_is_unknown_gets_the_shares",
    NineOfTen: "evidence_makes_surer",
    InTheirOrder: "order_is_irrelevant",
    Ranks: "users_are_judged_apart",
    Remembers: "the_clustering_is_enough",
    SmallestFirst: "groups_are_numbered_by_size",
    OwnSeed: "fitting_is_deterministic",
    Centres: "arguments_stay_unchanged",
    TakesAnybody: "too_few_are_refused",
    Heavy: "import_is_light",
    Undocumented: "docstring_teaches",
}


@pytest.mark.parametrize(("plugin", "check"), WRONG.items())
def test_the_wrong_clusterer_is_caught(plugin: type, check: str) -> None:
    with pytest.raises(ConformanceError, match=f"does not pass '{check}'"):
        check_clusterer(plugin, checks=[check])


def test_every_check_catches_something() -> None:
    assert set(WRONG.values()) == set(CHECKS["clusterer"])

"""Groups of users in what they said: likelihoods, components, EM, how many, and FAISS or numpy."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from persona_clusters import GaussianMixture, KMeans
from persona_clusters.components import Components, expected, membership, nobodys_evidence
from persona_clusters.told import Frame
from persona_engine.errors import InvalidInputError
from persona_engine.modelling import k_means_of_many
from persona_engine.testing.clusterer_subject import NOISE, agreement, plant_users, taken, unknown
from persona_engine.types import Beliefs

QUICK = {"folds": 2, "most_groups": 4}


@pytest.fixture(scope="module")
def planted():
    return plant_users(np.random.default_rng(5))


@pytest.fixture(scope="module")
def frame(planted):
    return Frame.of(planted.beliefs, keep=0.98, most=8)


def test_a_posterior_divided_by_the_prior_is_what_was_said(planted, frame):
    told = frame.told(planted.beliefs)
    width = told.pull.shape[1]
    again = np.linalg.inv(np.eye(width) + told.precision)  # times the prior N(0, I) once more
    mean = np.einsum("uij,uj->ui", again, told.pull)
    np.testing.assert_allclose(mean, told.place, atol=1e-4)


def test_who_said_nothing_has_said_nothing(planted, frame):
    told = frame.told(unknown(planted.beliefs))
    assert not told.pull.any()
    assert not told.precision.any()
    assert told.information.tolist() == [0.0]


def test_the_frame_leaves_out_directions_in_which_nobody_differs(planted):
    known = planted.beliefs
    wide = np.zeros((len(known), 7), np.float32)
    wide[:, :5] = known.mean
    spread = np.tile(np.eye(7, dtype=np.float32), (len(known), 1, 1))
    spread[:, :5, :5] = known.covariance
    frame = Frame.of(Beliefs(known.users, wide, spread, known.count), keep=0.999, most=8)
    assert frame.axes.shape[1] <= 5
    np.testing.assert_allclose(frame.axes[5:], 0.0, atol=1e-6)


def test_users_who_do_not_differ_are_refused():
    same = Beliefs(
        tuple("abcdefghijkl"),
        np.zeros((12, 3), np.float32),
        np.tile(np.eye(3, dtype=np.float32), (12, 1, 1)),
        np.full(12, 9),
    )
    with pytest.raises(InvalidInputError, match="do not differ"):
        GaussianMixture().fit(same, population="p", rng=np.random.default_rng(0))


def test_evidence_is_the_integral_over_the_component(planted, frame):
    much = frame.told(taken(planted.beliefs, np.arange(3)))
    told = replace(much, pull=0.1 * much.pull, precision=0.1 * much.precision)
    rng = np.random.default_rng(0)
    width = told.pull.shape[1]
    root = 0.4 * np.eye(width) + 0.1 * np.tril(rng.normal(size=(width, width)))
    mean = 0.5 * rng.normal(size=width)
    draws = mean + rng.normal(size=(400_000, width)) @ root.T
    found = expected(told, mean[None], root[None]).evidence[:, 0]
    for row in range(3):
        exponent = draws @ told.pull[row] - 0.5 * np.einsum(
            "ni,ij,nj->n", draws, told.precision[row], draws
        )
        top = exponent.max()
        assert found[row] == pytest.approx(np.log(np.exp(exponent - top).mean()) + top, abs=0.03)


def test_a_component_without_width_is_a_point(planted, frame):
    told = frame.told(taken(planted.beliefs, np.arange(4)))
    point = nobodys_evidence(told, frame.neutral)[:, 0]
    at = frame.neutral
    np.testing.assert_allclose(
        point, told.pull @ at - 0.5 * np.einsum("i,uij,j->u", at, told.precision, at), atol=1e-9
    )


def test_what_speaks_for_nobody_is_spread_by_shares(planted, frame):
    width = frame.axes.shape[1]
    told = frame.told(unknown(planted.beliefs))
    share = np.array([0.5, 0.2, 0.1, 0.1, 0.1])
    roots = np.tile(np.eye(width), (2, 1, 1))
    groups = Components(share, np.zeros((2, width)), roots, frame.neutral)
    np.testing.assert_allclose(membership(told, groups)[0], [5 / 7, 2 / 7])


@pytest.mark.parametrize("clusterer", [GaussianMixture(**QUICK), KMeans(**QUICK)])
def test_people_of_no_group_are_left_unsure(planted, clusterer):
    found = clusterer.fit(planted.beliefs, population="p", rng=np.random.default_rng(0))
    belongs = clusterer.membership(found, planted.beliefs)
    mine = planted.group != NOISE
    assert agreement(planted.group[mine], belongs.argmax(1)[mine]) > 0.9
    assert (belongs[~mine].max(1) >= 0.8).mean() <= 0.2


def test_a_group_below_its_minimum_is_none(planted):
    few = GaussianMixture(**QUICK, min_users=60)
    found = few.fit(planted.beliefs, population="p", rng=np.random.default_rng(0))
    assert len(found.names) < 3
    thirsty = GaussianMixture(**QUICK, min_comparisons=1_500)
    assert len(thirsty.fit(planted.beliefs, population="p", rng=np.random.default_rng(0)).names) < 3


def test_memberships_of_another_clusterer_or_width_are_refused(planted):
    model = KMeans(**QUICK)
    found = model.fit(planted.beliefs, population="p", rng=np.random.default_rng(0))
    with pytest.raises(InvalidInputError, match="'kmeans', expected 'gaussian_mixture'"):
        GaussianMixture().membership(found, planted.beliefs)
    narrow = Beliefs(("a",), np.zeros((1, 2), np.float32), np.eye(2)[None], np.ones(1, np.int64))
    with pytest.raises(InvalidInputError, match="width 2, the clustering 5"):
        model.membership(found, narrow)


@pytest.mark.parametrize(
    "settings", [{"min_users": 1}, {"folds": 1}, {"keep": 1.5}, {"starts": 0}, {"rounds": 0}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InvalidInputError):
        GaussianMixture(**settings)


def test_a_temper_out_of_range_is_refused():
    with pytest.raises(InvalidInputError, match=r"temper is 1\.5"):
        KMeans(temper=1.5)


@pytest.mark.parametrize("installed", [True, False])
def test_k_means_of_many_finds_weighted_centres(monkeypatch, installed):
    if not installed:
        monkeypatch.setitem(sys.modules, "faiss", None)
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(at, 0.1, (50, 2)) for at in (-3.0, 0.0, 3.0)])
    heavy = np.where(np.arange(150) % 2, 1.0, 1e-6)
    found = k_means_of_many(points, 3, weight=heavy, seed=1)
    expect = np.stack([points[start + 1 : start + 50 : 2].mean(0) for start in (0, 50, 100)])
    np.testing.assert_allclose(found[found[:, 0].argsort()], expect, atol=1e-3)
    np.testing.assert_array_equal(found, k_means_of_many(points, 3, weight=heavy, seed=1))

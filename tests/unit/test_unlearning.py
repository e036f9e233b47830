"""One user is taken out of a fitted population by a Newton step, as if they had never been in."""

from dataclasses import replace

import numpy as np
import pytest

from persona_bradley_terry import BradleyTerry
from persona_engine.interfaces import Unlearns
from persona_engine.modelling import (
    fit_ridge,
    laplace_covariance,
    leave_out,
    principal_differences,
)
from persona_engine.testing.planted import plant
from persona_engine.types import Evidence, Population, PreferenceData
from persona_hierarchical import Hierarchical
from persona_hierarchical.curvature import crowd_of
from persona_hierarchical.few_shot import Scales
from persona_hierarchical.influence import _matrix
from persona_hierarchical.lower_bound import blocks_of_users, lower_bound
from persona_hierarchical.selection import Choice
from persona_hierarchical.smooth import recurring
from persona_hierarchical.smooth_population import smooth_arrays
from persona_hierarchical.smooth_selection import SmoothChoice
from persona_hierarchical.training import _linear_form

RIDGE = 30.0
CHOICE = Choice(2, RIDGE, Scales(1.2, 0.95, 1.0, 0.0), 0.1, 0.01, np.zeros(0))


@pytest.fixture(scope="module")
def crowd():
    return plant(seed=3, shared=0.8, personal=1.2, users=60, rows=10)


def distance(left, right):
    return float(np.sqrt(np.square(np.asarray(left) - np.asarray(right)).mean()))


def as_tastes(data):
    """A population with settings that are given, so that two differ by their data only."""
    differences = principal_differences(data, keep=0.999)
    shared = fit_ridge(differences, differences.weight, RIDGE)
    arrays, meta = _linear_form(differences, CHOICE, shared, RIDGE, limit=2)
    counts = {"users": len(data.users), "comparisons": len(data)}
    return Population("hierarchical", data.fingerprint, arrays, {**meta, **counts})


def predictions(model, population, people):
    rng = np.random.default_rng(9)
    a, b = rng.normal(size=(2, 200, people[0].width)).astype(np.float32)
    nobody = Evidence.empty(people[0].width)
    posteriors = [model.infer(population, each) for each in (nobody, *people)]
    return [model.logit(population, each, a, b).probability() for each in posteriors]


def test_regression_without_rows_is_the_regression_that_never_saw_them(crowd):
    differences = principal_differences(crowd.data, keep=0.999)
    user = int(crowd.data.users[4])
    mine = differences.user == user
    without = np.where(mine, 0.0, differences.weight).astype(np.float32)
    w = fit_ridge(differences, differences.weight, RIDGE)
    never = fit_ridge(differences, without, RIDGE)
    covariance, _ = laplace_covariance(differences, w, RIDGE)
    rows = differences.rows[mine]
    evidence = Evidence(rows, np.zeros_like(rows))
    root = np.sqrt(1.7) * np.linalg.cholesky(covariance)
    rest = leave_out(w, root, evidence, inflation=1.7)
    assert distance(rest.weights, never) < 0.1 * distance(w, never)
    expected, _ = laplace_covariance(replace(differences, weight=without), w, RIDGE)
    assert rest.factor @ rest.factor.T / 1.7 == pytest.approx(expected, rel=1e-3, abs=1e-7)


def test_a_user_who_alone_decides_a_direction_leaves_numbers_that_are_finite():
    rows = np.full((400, 2), 5.0, np.float32)
    rest = leave_out(np.zeros(2), np.eye(2), Evidence(rows, -rows))
    assert np.isfinite(rest.weights).all()
    assert np.isfinite(rest.factor).all()


def test_curvature_is_the_slope_of_the_gradient():
    rng = np.random.default_rng(2)
    user = np.repeat(np.arange(40), rng.integers(2, 9, size=40))
    rows = rng.normal(size=(len(user), 5)).astype(np.float32)
    weight, target = np.ones((2, len(user)), np.float32)
    theta = 0.5 * rng.normal(size=(5, 3))
    direction = rng.normal(size=(5, 3))

    def gradient(step):
        both = (rows @ (theta + step * direction)).astype(np.float32)
        blocks = blocks_of_users(user, weight, target)
        for _ in range(5):
            bound = lower_bound(blocks, both[:, 0], both[:, 1:])
        return -rows.T @ np.column_stack([bound.pull, bound.turn])

    both = (rows @ theta).astype(np.float32)
    blocks = blocks_of_users(user, weight, target)
    crowds = [crowd_of(each, rows, both[:, 0], both[:, 1:]) for each in blocks]
    found = (_matrix(crowds, slice(0, 5)) @ direction.ravel()).reshape(5, 3)
    measured = (gradient(0.02) - gradient(-0.02)) / 0.04
    assert np.linalg.norm(found - measured) < 0.15 * np.linalg.norm(measured)
    diagonal = sum(each.diagonal(slice(0, 5)) for each in crowds)
    assert np.diag(_matrix(crowds, slice(0, 5))) == pytest.approx(diagonal.ravel(), rel=1e-3)


def test_tastes_without_a_user_are_those_of_a_population_that_never_saw_them(crowd):
    model, people = Hierarchical(), [each.take(np.arange(6)) for each in crowd.support[:6]]
    everybody = as_tastes(crowd.data)
    before, after = [], []
    for user in crowd.data.users[:4]:
        never = predictions(model, as_tastes(crowd.data.take(crowd.data.user != user)), people)
        rest = model.unlearn(everybody, crowd.data.evidence(int(user)))
        before.append(distance(predictions(model, everybody, people), never))
        after.append(distance(predictions(model, rest, people), never))
    assert np.mean(after) < 0.35 * np.mean(before)
    assert np.mean(after) < 0.003


def test_users_are_unlearned_one_after_the_other(crowd):
    model, people = Hierarchical(), [each.take(np.arange(6)) for each in crowd.support[:6]]
    gone = crowd.data.users[:3]
    rest = everybody = as_tastes(crowd.data)
    for user in gone:
        rest = model.unlearn(rest, crowd.data.evidence(int(user)))
    never = predictions(model, as_tastes(crowd.data.take(~np.isin(crowd.data.user, gone))), people)
    moved = distance(predictions(model, everybody, people), never)
    assert distance(predictions(model, rest, people), never) < 0.5 * moved
    assert (rest.meta["users"], rest.meta["comparisons"]) == (57, 570)
    assert rest.version != everybody.version


def test_axes_beyond_the_matrix_are_stepped_by_their_own_curvature(crowd, monkeypatch):
    monkeypatch.setattr("persona_hierarchical.influence.MOST_PARAMETERS", 9)
    model, people = Hierarchical(), [each.take(np.arange(6)) for each in crowd.support[:6]]
    everybody = as_tastes(crowd.data)
    assert everybody.arrays["curvature"].shape == (9, 9)
    user = crowd.data.users[2]
    never = predictions(model, as_tastes(crowd.data.take(crowd.data.user != user)), people)
    rest = model.unlearn(everybody, crowd.data.evidence(int(user)))
    moved = distance(predictions(model, everybody, people), never)
    assert distance(predictions(model, rest, people), never) < 0.6 * moved


def test_a_smooth_reward_without_a_user_is_that_of_the_others():
    rng = np.random.default_rng(0)
    responses = rng.normal(size=(40, 4)).astype(np.float32)
    reward = np.sin(3.0 * responses[:, 0])
    a = rng.integers(0, 40, 800)
    b = (a + rng.integers(1, 40, 800)) % 40
    first = rng.random(800) < 1.0 / (1.0 + np.exp(-2.0 * (reward[a] - reward[b])))
    chosen, rejected = np.where(first, a, b), np.where(first, b, a)
    user = np.repeat(np.arange(40), 20)
    data = PreferenceData(responses[chosen], responses[rejected], user, "judged")
    differences = principal_differences(data, keep=0.999)
    choice = SmoothChoice(1.0, True, Scales(0.2, 0.9, 1.0, 0.0), np.zeros(0))

    def smooth(weight):
        some = replace(differences, weight=weight.astype(np.float32))
        arrays = smooth_arrays(some, recurring(data, differences), choice)
        meta = {"form": "smooth", "rank": 1, "users": 40, "comparisons": 800, "spread": 0.2}
        return Population("hierarchical", "judged", arrays, {**meta, "shared": 0.9})

    everybody, never = smooth(np.ones(800)), smooth(user != 7)
    rest = Hierarchical().unlearn(everybody, data.evidence(7))
    for name in ("projection", "shared_factor"):
        root = [each.arrays[name].astype(float) for each in (everybody, never, rest)]
        before, wanted, found = (each @ each.T for each in root)
        assert distance(found, wanted) < 0.35 * distance(before, wanted)


def test_the_mean_response_is_that_of_the_others(crowd):
    user = int(crowd.data.users[0])
    rest = Hierarchical().unlearn(as_tastes(crowd.data), crowd.data.evidence(user))
    others = crowd.data.take(crowd.data.user != user)
    mean = 0.5 * (others.chosen.mean(0) + others.rejected.mean(0))
    assert rest.arrays["centre"] == pytest.approx(mean, abs=1e-5)


def test_a_population_without_curvature_is_left_to_the_refit(crowd):
    settings = {"max_rank": 2, "folds": 2}
    whole = Hierarchical(**settings).fit(crowd.data, rng=np.random.default_rng(0))
    small = Hierarchical(**settings, forgets=False).fit(crowd.data, rng=np.random.default_rng(0))
    assert {"curvature", "axes"} <= whole.arrays.keys() - small.arrays.keys()
    for name, array in small.arrays.items():
        assert np.array_equal(array, whole.arrays[name])
    assert Hierarchical().unlearn(small, crowd.support[0]) is None


@pytest.mark.parametrize("make", [BradleyTerry, Hierarchical])
def test_the_models_say_that_they_unlearn(make):
    assert isinstance(make(), Unlearns)

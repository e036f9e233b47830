"""The mixture finds planted groups, infers members in closed form, and protects a minority."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from persona_bradley_terry import BradleyTerry
from persona_engine.aggregation import aggregate
from persona_engine.errors import FingerprintMismatchError, InvalidInputError
from persona_engine.modelling import (
    crowd_of,
    expectation_maximisation,
    fit_ridge,
    k_means,
    principal_differences,
    with_label_noise,
)
from persona_engine.types import Evidence, PreferenceData, Score
from persona_mixture import Mixture

WIDTH = 6
HEADS = np.linalg.qr(np.random.default_rng(9).normal(size=(WIDTH, 3)))[0] * 2.5  # (D, K)


def planted(seed, *, shares=(0.4, 0.35, 0.25), users=120, pairs=16, heads=HEADS):
    """Comparisons of users of known groups, and the group of each user."""
    rng = np.random.default_rng(seed)
    counts = np.round(np.array(shares) * users).astype(int)
    group = rng.permutation(np.repeat(np.arange(len(shares)), counts))
    a, b = rng.normal(size=(2, len(group) * pairs, WIDTH)).astype(np.float32)
    user = np.repeat(np.arange(len(group)), pairs)
    logit = ((a - b) * heads.T[group[user]]).sum(1)
    first = (rng.random(len(a)) < 1.0 / (1.0 + np.exp(-logit)))[:, None]
    data = PreferenceData(np.where(first, a, b), np.where(first, b, a), user, "planted")
    return data, group


def adjusted_rand_index(left, right):
    """Hubert & Arabie (1985): 1 for the same partition, 0 for chance."""
    table = np.zeros((left.max() + 1, right.max() + 1))
    np.add.at(table, (left, right), 1)

    def pairs(counts):
        return (counts * (counts - 1) / 2).sum()

    both, rows, columns = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    expected = rows * columns / pairs(np.array([len(left)]))
    return (both - expected) / ((rows + columns) / 2 - expected)


def found_groups(model, population, data):
    posteriors = model.infer_many(population, [data.evidence(int(user)) for user in data.users])
    return np.array([each.mean.argmax() for each in posteriors])


@pytest.fixture(scope="module")
def model():
    return Mixture()


@pytest.fixture(scope="module")
def population(model):
    return model.fit(planted(0)[0], rng=np.random.default_rng(0))


@pytest.mark.parametrize("assignment", ["soft", "hard"])
def test_planted_groups_are_recovered(assignment):
    model = Mixture(assignment=assignment)
    data, group = planted(1, pairs=24)
    population = model.fit(data, rng=np.random.default_rng(0))
    assert population.meta["components"] == 3
    np.testing.assert_allclose(population.arrays["prior"], [0.4, 0.35, 0.25], atol=0.04)
    assert adjusted_rand_index(group, found_groups(model, population, data)) >= 0.95
    strangers, theirs = planted(2, pairs=24)
    assert adjusted_rand_index(theirs, found_groups(model, population, strangers)) >= 0.9


def test_heads_point_where_the_groups_do(population):
    heads = population.arrays["heads"]
    cosine = (heads / np.linalg.norm(heads, axis=0)).T @ (HEADS / 2.5)
    assert cosine.max(1).min() > 0.95
    assert sorted(cosine.argmax(1)) == [0, 1, 2]


def test_the_posterior_is_bayes_rule(model, population):
    mine = planted(3, users=4, shares=(0.5, 0.25, 0.25), pairs=5)[0].evidence(0)
    logits = (mine.chosen - mine.rejected).astype(float) @ population.arrays["heads"]
    joint = np.log(population.arrays["prior"]) - np.logaddexp(0, -logits).sum(0)
    expected = np.exp(joint) / np.exp(joint).sum()
    posterior = model.infer(population, mine)
    np.testing.assert_allclose(posterior.mean, expected, atol=1e-5)
    indicator = np.diag(expected) - np.outer(expected, expected)
    np.testing.assert_allclose(posterior.covariance, indicator, atol=1e-5)


def test_update_is_exactly_infer_on_the_concatenation(model, population):
    mine = planted(4, users=4, shares=(0.5, 0.25, 0.25), pairs=12)[0].evidence(1)
    step = model.infer(population, Evidence.empty(WIDTH))
    np.testing.assert_allclose(step.mean, population.arrays["prior"], atol=1e-6)
    for part in ([0], [1, 2, 3, 4], list(range(5, 12))):
        step = model.update(population, step, mine.take(part))
    whole = model.infer(population, mine)
    assert step.count == whole.count == 12
    np.testing.assert_allclose(step.mean, whole.mean, atol=1e-6)


def test_strength_ties_and_noise_are_in_the_likelihood(model, population):
    mine = planted(5, users=4, shares=(0.5, 0.25, 0.25), pairs=3)[0].evidence(0)
    heavy = Evidence(mine.chosen, mine.rejected, np.full(3, 2.0, np.float32))
    twice = mine.take([0, 1, 2] * 2)
    np.testing.assert_allclose(
        model.infer(population, heavy).mean, model.infer(population, twice).mean, atol=1e-5
    )
    tie = Evidence(mine.chosen, mine.rejected, target=np.full(3, 0.5, np.float32))
    turned = Evidence(mine.rejected, mine.chosen, target=np.full(3, 0.5, np.float32))
    np.testing.assert_allclose(
        model.infer(population, tie).mean, model.infer(population, turned).mean, atol=1e-5
    )
    noisy = model.infer(population, with_label_noise(mine, 0.2))
    assert np.abs(noisy.mean - model.infer(population, mine).mean).max() > 1e-4


def test_spread_is_the_mixture_s(model, population):
    posterior = model.infer(population, Evidence.empty(WIDTH))
    responses = np.random.default_rng(0).normal(size=(5, WIDTH)).astype(np.float32)
    score = model.score(population, [posterior], responses)
    centred = responses - population.arrays["centre"]
    rewards = (centred @ population.arrays["heads"]).T  # (K, B)
    prior = population.arrays["prior"]
    mixture = prior @ np.square(rewards) - np.square(prior @ rewards)
    shared = centred @ population.arrays["shared_factor"]
    np.testing.assert_allclose(score.mean[0], prior @ rewards, atol=1e-4)
    np.testing.assert_allclose(
        np.square(score.std[0]), mixture + np.square(shared).sum(1), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("overlap", [-0.5, -0.9])
def test_maxmin_serves_a_minority_that_pooling_overrules(model, overlap):
    """Nine of ten want one thing and one of ten about the opposite: who decides for both?"""
    own = overlap * HEADS[:, 0] + np.sqrt(1 - overlap**2) * HEADS[:, 1]
    heads = np.stack([HEADS[:, 0], own], 1)
    data, _ = planted(6, shares=(0.9, 0.1), users=160, pairs=20, heads=heads)
    population = model.fit(data, rng=np.random.default_rng(0))
    assert population.meta["components"] == 2
    np.testing.assert_allclose(population.arrays["prior"], [0.9, 0.1], atol=0.03)
    baseline = BradleyTerry()
    pooled = baseline.fit(data, rng=np.random.default_rng(0))
    anyone = baseline.infer(pooled, Evidence.empty(WIDTH))
    a, b = np.random.default_rng(1).normal(size=(2, 500, WIDTH)).astype(np.float32)
    wanted = (a - b) @ own > 0
    flat = ((baseline.logit(pooled, anyone, a, b).mean > 0) == wanted).mean()
    fair = [_fair(model, population, *pair) for pair in zip(a, b, strict=True)]
    assert (np.array(fair) == wanted).mean() >= flat + 0.20


def _fair(model, population, chosen, rejected):
    pair = np.stack([chosen, rejected])
    scores = model.group_scores(population, pair)
    order = aggregate(scores, rule="maxmin", weight=population.arrays["prior"]).order
    return order[0] == 0


def test_agreement_gives_one_group_and_the_pooled_model(model):
    same = np.repeat(HEADS[:, :1], 2, 1)
    data, _ = planted(7, shares=(0.5, 0.5), users=60, heads=same)
    population = model.fit(data, rng=np.random.default_rng(0))
    assert population.meta["components"] == 1
    pooled = BradleyTerry()
    baseline = pooled.fit(data, rng=np.random.default_rng(0))
    mine = data.evidence(0)
    ours = model.logit(population, model.infer(population, mine), data.chosen, data.rejected)
    theirs = pooled.logit(baseline, pooled.infer(baseline, mine), data.chosen, data.rejected)
    np.testing.assert_allclose(ours.probability(), theirs.probability(), atol=0.01)


def test_em_never_lowers_the_penalised_likelihood():
    data, _ = planted(8, users=40, pairs=10)
    differences = principal_differences(data, keep=0.999)
    crowd = crowd_of(differences, np.ones(len(data), bool))
    shared = fit_ridge(differences, differences.weight, 10.0)
    start = np.eye(3)[np.random.default_rng(0).integers(3, size=40)]
    reached = [
        expectation_maximisation(crowd, shared, start, ridge=10.0, rounds=rounds, tolerance=0)
        for rounds in (1, 2, 4, 8, 16)
    ]
    objectives = [each.objective for each in reached]
    assert all(later >= sooner - 1e-2 for sooner, later in pairwise(objectives))


def test_k_means_finds_far_clusters_and_survives_equal_points():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 20)
    points = np.eye(3)[truth] * 10 + rng.normal(size=(60, 3))
    assert adjusted_rand_index(truth, k_means(points, 3, rng=rng)) == 1.0
    assert len(k_means(np.zeros((5, 2)), 3, rng=rng)) == 5


@pytest.mark.parametrize("components", [1, 2, 5])
def test_a_given_number_of_groups_is_kept(components):
    data, _ = planted(10, users=40, pairs=8)
    population = Mixture(components=components).fit(data, rng=np.random.default_rng(0))
    assert population.arrays["heads"].shape == (WIDTH, components)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"components": 0}, "components"),
        ({"max_components": 0}, "max_components"),
        ({"assignment": "fuzzy"}, "assignment"),
        ({"restarts": 0}, "restarts"),
        ({"folds": 1}, "folds"),
        ({"keep": 0.0}, "keep"),
    ],
)
def test_bad_settings_are_named(settings, word):
    with pytest.raises(InvalidInputError, match=word):
        Mixture(**settings)


def test_foreign_width_and_population_are_refused(model, population):
    with pytest.raises(InvalidInputError, match="expects"):
        model.infer(population, Evidence.empty(WIDTH + 1))
    other = BradleyTerry().fit(planted(11, users=20)[0], rng=np.random.default_rng(0))
    with pytest.raises(FingerprintMismatchError):
        model.infer(other, Evidence.empty(WIDTH))
    assert isinstance(model.group_scores(population, np.zeros((2, WIDTH), np.float32)), Score)

"""The pooled reward model recovers what a population shares and says how sure it is."""

import numpy as np
import pytest

from persona_bradley_terry import BradleyTerry
from persona_engine.errors import FingerprintMismatchError, InvalidInputError
from persona_engine.types import Evidence, Population, PreferenceData

WIDTH = 12


def planted(seed: int, *, users: int, pairs: int, strength: float = 2.0):
    """Comparisons of users who all follow one taste; returns data and the true weights."""
    rng = np.random.default_rng(seed)
    scale = np.geomspace(0.01, 100.0, WIDTH).astype(np.float32)  # features of unlike units
    taste = np.random.default_rng(99).normal(size=WIDTH)
    taste *= strength / np.linalg.norm(taste)
    a, b = rng.normal(size=(2, users * pairs, WIDTH)).astype(np.float32)
    chance = 1.0 / (1.0 + np.exp(-(a - b) @ taste / np.sqrt(2)))
    first = (rng.random(len(a)) < chance)[:, None]
    a, b = a * scale + 5.0, b * scale + 5.0
    user = np.repeat(np.arange(users), pairs)
    return PreferenceData(np.where(first, a, b), np.where(first, b, a), user, "planted"), taste / (
        np.sqrt(2) * scale
    )


@pytest.fixture(scope="module")
def model():
    return BradleyTerry()


@pytest.fixture(scope="module")
def population(model):
    data, _ = planted(0, users=60, pairs=20)
    return model.fit(data, rng=np.random.default_rng(0))


def anyone(model, population):
    return model.infer(population, Evidence.empty(WIDTH))


def test_recovers_the_shared_weights_whatever_the_units(model, population):
    _, taste = planted(0, users=1, pairs=1)
    found = population.arrays["weights"]
    scale = np.geomspace(0.01, 100.0, WIDTH)
    cosine = (found * scale) @ (taste * scale)
    cosine /= np.linalg.norm(found * scale) * np.linalg.norm(taste * scale)
    assert cosine > 0.97


def test_probabilities_of_unseen_users_are_calibrated(model, population):
    data, _ = planted(1, users=100, pairs=40)
    p = model.logit(population, anyone(model, population), data.chosen, data.rejected).probability()
    rng = np.random.default_rng(2)
    swapped = rng.random(len(p)) < 0.5
    said = np.where(swapped, 1.0 - p, p)
    for low in np.arange(0.1, 0.9, 0.2):
        bucket = (said >= low) & (said < low + 0.2)
        assert abs(said[bucket].mean() - (~swapped)[bucket].mean()) < 0.06


def test_spread_is_honest_about_the_logit(model):
    """Over many populations the true logit lies within two deviations about 95% of the time."""
    inside = []
    for seed in range(12):
        data, taste = planted(10 + seed, users=40, pairs=12)
        population = model.fit(data, rng=np.random.default_rng(seed))
        test, _ = planted(500, users=10, pairs=10)
        score = model.logit(population, anyone(model, population), test.chosen, test.rejected)
        truth = (test.chosen - test.rejected) @ taste
        inside.append(np.abs(score.mean - truth) < 2.0 * score.std)
    assert 0.85 < np.mean(inside) <= 1.0


def test_more_data_makes_surer(model, population):
    small, _ = planted(3, users=10, pairs=10)
    few = model.fit(small, rng=np.random.default_rng(0))
    a, b = small.chosen[:20], small.rejected[:20]
    unsure = model.logit(few, anyone(model, few), a, b).std
    sure = model.logit(population, anyone(model, population), a, b).std
    assert unsure.mean() > 1.5 * sure.mean()


def test_no_preference_gives_no_opinion(model):
    data, _ = planted(4, users=40, pairs=20, strength=0.0)
    blank = model.fit(data, rng=np.random.default_rng(0))
    p = model.logit(blank, anyone(model, blank), data.chosen, data.rejected).probability()
    assert np.abs(p - 0.5).mean() < 0.06


def test_clustered_answers_widen_the_spread(model):
    """Users who repeat one answer twenty times teach less than as many separate answers."""
    data, _ = planted(5, users=60, pairs=1)
    rows = np.repeat(np.arange(60), 20)
    repeated = model.fit(data.take(rows), rng=np.random.default_rng(0))
    assert repeated.meta["spread_inflation"] > 5.0


def test_posterior_holds_nothing_personal(model, population):
    data, _ = planted(6, users=1, pairs=8)
    posterior = model.infer(population, data.evidence(0))
    assert posterior.mean.shape == (0,)
    assert posterior.covariance.shape == (0, 0)
    assert posterior.count == 8
    assert not posterior.state
    both = model.update(population, posterior, data.evidence(0))
    assert both.count == 16
    ours = model.score(population, [posterior, anyone(model, population)], data.chosen)
    assert ours.mean.shape == ours.std.shape == (2, 8)
    np.testing.assert_array_equal(ours.mean[0], ours.mean[1])


def test_logit_is_antisymmetric_and_the_difference_of_scores(model, population):
    data, _ = planted(7, users=1, pairs=30)
    posterior = anyone(model, population)
    forth = model.logit(population, posterior, data.chosen, data.rejected)
    back = model.logit(population, posterior, data.rejected, data.chosen)
    np.testing.assert_array_equal(forth.mean, -back.mean)
    np.testing.assert_array_equal(forth.std, back.std)
    a = model.score(population, [posterior], data.chosen).mean[0]
    b = model.score(population, [posterior], data.rejected).mean[0]
    np.testing.assert_allclose(forth.mean, a - b, atol=1e-3)


def test_equal_input_gives_the_equal_population(model):
    data, _ = planted(8, users=20, pairs=5)
    versions = {model.fit(data, rng=np.random.default_rng(1)).version for _ in range(2)}
    assert len(versions) == 1


def test_fewer_comparisons_than_features(model):
    data, _ = planted(9, users=3, pairs=2)
    population = model.fit(data, rng=np.random.default_rng(0))
    assert np.isfinite(population.arrays["weights"]).all()


def test_weight_zero_is_as_good_as_absent(model):
    data, _ = planted(11, users=20, pairs=10)
    weight = np.ones(len(data), np.float32)
    weight[::2] = 0.0
    flipped = np.where(weight[:, None] > 0, data.chosen, data.rejected)
    other = np.where(weight[:, None] > 0, data.rejected, data.chosen)
    fits = [
        model.fit(
            PreferenceData(a, b, data.user, "planted", weight), rng=np.random.default_rng(0)
        ).arrays["weights"]
        for a, b in ((data.chosen, data.rejected), (flipped, other))
    ]
    np.testing.assert_allclose(fits[0], fits[1], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("settings", "word"), [({"folds": 1}, "folds"), ({"keep": 0.0}, "keep"), ({"keep": 2}, "keep")]
)
def test_bad_settings_are_named(settings, word):
    with pytest.raises(InvalidInputError, match=word):
        BradleyTerry(**settings)


def test_nothing_to_learn_from_is_an_error(model):
    same = np.ones((4, 3), np.float32)
    with pytest.raises(InvalidInputError, match="same features"):
        model.fit(PreferenceData(same, same, np.arange(4), "planted"), rng=np.random.default_rng(0))
    empty = np.zeros((0, 3), np.float32)
    with pytest.raises(InvalidInputError, match="0 comparisons"):
        model.fit(
            PreferenceData(empty, empty, np.zeros(0, np.int64), "planted"),
            rng=np.random.default_rng(0),
        )


def test_foreign_width_population_and_model_are_refused(model, population):
    wide = np.zeros((1, WIDTH + 1), np.float32)
    posterior = anyone(model, population)
    with pytest.raises(InvalidInputError, match="expects"):
        model.infer(population, Evidence.empty(WIDTH + 1))
    with pytest.raises(InvalidInputError, match="expects"):
        model.score(population, [posterior], wide)
    with pytest.raises(InvalidInputError, match="expects"):
        model.logit(population, posterior, wide, wide)
    data, _ = planted(12, users=20, pairs=5)
    other = model.fit(data, rng=np.random.default_rng(0))
    with pytest.raises(FingerprintMismatchError):
        model.score(other, [posterior], data.chosen)
    stranger = Population("elsewhere", "planted", population.arrays)
    with pytest.raises(FingerprintMismatchError, match="elsewhere"):
        model.infer(stranger, Evidence.empty(WIDTH))

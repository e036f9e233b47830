"""The hierarchical reward model finds how users differ, and a new user from a few answers."""

from dataclasses import replace

import numpy as np
import pytest

from persona_bradley_terry import BradleyTerry
from persona_engine.errors import FingerprintMismatchError, InvalidInputError
from persona_engine.modelling.inference import KEPT
from persona_engine.types import Evidence, Population, PreferenceData
from persona_hierarchical import Hierarchical
from persona_hierarchical.lower_bound import blocks_of_users, lower_bound

WIDTH = 20
_TRUTH = np.random.default_rng(99)
SHARED = _TRUTH.normal(size=WIDTH) * 0.15
TASTES = np.linalg.qr(_TRUTH.normal(size=(WIDTH, 2)))[0] * (2.0, 1.4)  # (D, 2)


def planted(seed: int, *, users: int, pairs: int, tastes=TASTES):
    """Comparisons of users ``w₀ + B z``; returns data and each row's true logit."""
    rng = np.random.default_rng(seed)
    weights = SHARED + rng.normal(size=(users, tastes.shape[1])) @ tastes.T
    a, b = rng.normal(size=(2, users * pairs, WIDTH)).astype(np.float32)
    user = np.repeat(np.arange(users), pairs)
    logit = ((a - b) * weights[user]).sum(1)
    first = rng.random(len(a)) < 1.0 / (1.0 + np.exp(-logit))
    chosen = np.where(first[:, None], a, b)
    rejected = np.where(first[:, None], b, a)
    return PreferenceData(chosen, rejected, user, "planted"), np.where(first, logit, -logit)


@pytest.fixture(scope="module")
def model():
    return Hierarchical()


@pytest.fixture(scope="module")
def population(model):
    data, _ = planted(0, users=150, pairs=12)
    return model.fit(data, rng=np.random.default_rng(0))


def held_out(model, population, data, shots):
    """Accuracy and loss on each user's comparisons after the first ``shots``."""
    right, loss = [], []
    for user in data.users:
        mine = data.evidence(int(user))
        posterior = model.infer(population, mine.take(np.arange(shots)))
        rest = mine.take(np.arange(shots, len(mine)))
        p = model.logit(population, posterior, rest.chosen, rest.rejected).probability()
        right.append((p > 0.5).mean())
        loss.append(-np.log(p).mean())
    return float(np.mean(right)), float(np.mean(loss))


def test_rank_and_directions_are_recovered(population):
    assert population.meta["rank"] == 2
    found = np.linalg.qr(population.arrays["projection"][:, 1:].astype(float))[0]
    truth = np.linalg.qr(TASTES)[0]
    overlap = np.linalg.svd(found.T @ truth)[1]  # cosines of the principal angles
    assert overlap.min() > 0.9


def test_few_answers_beat_the_pooled_fit(model, population):
    train, _ = planted(0, users=150, pairs=12)
    pooled = BradleyTerry()
    baseline = pooled.fit(train, rng=np.random.default_rng(0))
    test, _ = planted(1, users=80, pairs=32)
    flat, _ = held_out(pooled, baseline, test, 16)
    losses = []
    for shots, gain in ((1, 0.02), (4, 0.08), (16, 0.15)):
        accuracy, loss = held_out(model, population, test, shots)
        assert accuracy > flat + gain
        losses.append(loss)
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("shots", [0, 2, 8])
def test_probabilities_are_calibrated(model, population, shots):
    test, _ = planted(2, users=200, pairs=20)
    said, truth = [], []
    rng = np.random.default_rng(3)
    for user in test.users:
        mine = test.evidence(int(user))
        posterior = model.infer(population, mine.take(np.arange(shots)))
        rest = mine.take(np.arange(8, 20))
        p = model.logit(population, posterior, rest.chosen, rest.rejected).probability()
        swapped = rng.random(len(p)) < 0.5
        said.append(np.where(swapped, 1.0 - p, p))
        truth.append(~swapped)
    said, truth = np.concatenate(said), np.concatenate(truth)
    error = sum(
        abs(said[bucket].mean() - truth[bucket].mean()) * bucket.mean()
        for low in np.arange(0.0, 1.0, 0.1)
        if (bucket := (said >= low) & (said < low + 0.1)).any()
    )
    assert error < 0.05


def test_true_logits_lie_within_the_spread(model, population):
    """Less often than 95%: the spread takes the basis, learned from 150 users, as known."""
    test, logit = planted(4, users=200, pairs=10)
    inside = []
    for user in test.users:
        mine = test.evidence(int(user))
        posterior = model.infer(population, mine.take(np.arange(6)))
        rest = mine.take(np.arange(6, 10))
        score = model.logit(population, posterior, rest.chosen, rest.rejected)
        truth = logit[test.user == user][6:]
        inside.append(np.abs(score.mean - truth) < 2.0 * score.std)
    assert 0.75 < np.mean(inside) < 0.99


def test_no_personal_signal_falls_back_to_the_pooled_model(model):
    nothing = np.zeros((WIDTH, 1))
    data, _ = planted(5, users=60, pairs=10, tastes=nothing)
    population = model.fit(data, rng=np.random.default_rng(0))
    assert population.meta["rank"] == 0
    pooled = BradleyTerry()
    baseline = pooled.fit(data, rng=np.random.default_rng(0))
    test, _ = planted(6, users=5, pairs=10, tastes=nothing)
    mine = test.evidence(0)
    ours = model.logit(population, model.infer(population, mine), test.chosen, test.rejected)
    theirs = pooled.logit(baseline, pooled.infer(baseline, mine), test.chosen, test.rejected)
    np.testing.assert_allclose(ours.probability(), theirs.probability(), atol=0.005)
    posterior = model.infer_many(population, [mine])[0]
    assert posterior.mean.shape == (0,)
    assert model.embed(population, posterior).shape == (1,)
    score = model.score(population, [posterior, posterior], test.chosen)
    assert score.mean.shape == score.std.shape == (2, len(test))
    assert model.score(population, [], test.chosen).mean.shape == (0, len(test))


def test_five_comparisons_a_user_are_enough_to_find_strong_tastes(model):
    data, _ = planted(7, users=120, pairs=5, tastes=1.5 * TASTES)
    population = model.fit(data, rng=np.random.default_rng(0))
    assert population.meta["rank"] >= 1
    test, _ = planted(8, users=60, pairs=24, tastes=1.5 * TASTES)
    before, _ = held_out(model, population, test, 0)
    after, _ = held_out(model, population, test, 8)
    assert after > before + 0.08


def test_opposite_personas_are_found_in_five_comparisons_of_a_hundred_users(model):
    """A fit that forgot the spectral start would be the pooled model here, right half the time."""
    rng = np.random.default_rng(70)
    taste = np.linalg.qr(rng.normal(size=(32, 1)))[0][:, 0] * 3.0

    def people(users, pairs):
        user = np.repeat(np.arange(users), pairs)
        persona = np.where(rng.random(users) < 0.5, 1.0, -1.0)[user]
        prompt = 2.0 * rng.normal(size=(len(user), 32))  # each comparison has a new one
        a, b = (prompt + rng.normal(size=(2, len(user), 32))).astype(np.float32)
        first = rng.random(len(user)) < 1.0 / (1.0 + np.exp(-persona * ((a - b) @ taste)))
        keep = first[:, None]
        return PreferenceData(np.where(keep, a, b), np.where(keep, b, a), user, "personas")

    population = model.fit(people(100, 5), rng=np.random.default_rng(0))
    assert population.meta["rank"] >= 1
    accuracy, _ = held_out(model, population, people(60, 25), 5)
    assert accuracy > 0.75


def test_update_is_infer_on_the_concatenation(model, population):
    data, _ = planted(9, users=1, pairs=12)
    everything = data.evidence(0)
    whole = model.infer(population, everything)
    step = model.infer(population, Evidence.empty(WIDTH))
    for part in ([0], [1, 2, 3, 4], list(range(5, 12))):
        step = model.update(population, step, everything.take(part))
    assert step.count == whole.count == 12
    np.testing.assert_allclose(step.mean, whole.mean, atol=1e-6)
    np.testing.assert_allclose(step.covariance, whole.covariance, atol=1e-6)


def test_order_does_not_matter(model, population):
    data, _ = planted(10, users=1, pairs=15)
    mine = data.evidence(0)
    forth, back = (
        model.infer(population, mine.take(rows)) for rows in (np.arange(15), np.arange(15)[::-1])
    )
    np.testing.assert_allclose(forth.mean, back.mean, atol=1e-6)
    np.testing.assert_allclose(forth.covariance, back.covariance, atol=1e-6)


def test_infer_many_agrees_with_infer(model, population):
    data, _ = planted(11, users=40, pairs=20)
    rng = np.random.default_rng(0)
    evidence = [
        data.evidence(int(user)).take(np.arange(rng.integers(0, 21))) for user in data.users
    ]
    for one, many in zip(
        [model.infer(population, each) for each in evidence],
        model.infer_many(population, evidence),
        strict=True,
    ):
        np.testing.assert_allclose(one.mean, many.mean, atol=1e-5)
        np.testing.assert_allclose(one.covariance, many.covariance, atol=1e-5)
        assert one.count == many.count
        assert set(one.state) == set(many.state)


def test_a_long_history_is_folded_without_moving_the_posterior(model, population):
    data, _ = planted(12, users=1, pairs=KEPT + 200)
    mine = data.evidence(0)
    whole = model.infer(population, mine)
    assert len(whole.state["rows"]) == KEPT
    same = model.update(population, whole, Evidence.empty(WIDTH))
    deviation = np.sqrt(np.diag(whole.covariance))
    assert (np.abs(same.mean - whole.mean) < 0.05 * deviation).all()
    stepwise = model.infer(population, mine.take(np.arange(KEPT - 20)))
    stepwise = model.update(population, stepwise, mine.take(np.arange(KEPT - 20, KEPT + 200)))
    assert (np.abs(stepwise.mean - whole.mean) < 0.05 * deviation).all()
    assert stepwise.count == KEPT + 200


def test_nobody_s_prior_is_standard_and_finite(model, population):
    prior = model.infer(population, Evidence.empty(WIDTH))
    np.testing.assert_array_equal(prior.mean, np.zeros(2))
    np.testing.assert_allclose(prior.covariance, np.eye(2), atol=1e-6)


def test_evidence_narrows_and_contradiction_does_not_crash(model, population):
    data, _ = planted(13, users=1, pairs=3)
    mine = data.evidence(0)
    prior = model.infer(population, Evidence.empty(WIDTH))
    volume = [np.linalg.det(prior.covariance)]
    posterior = prior
    for _ in range(5):
        posterior = model.update(population, posterior, mine)
        volume.append(np.linalg.det(posterior.covariance))
    assert volume == sorted(volume, reverse=True)
    torn = model.update(
        population, model.infer(population, mine), Evidence(mine.rejected, mine.chosen)
    )
    assert np.isfinite(torn.mean).all()
    assert np.abs(torn.mean).max() < np.abs(posterior.mean).max()


def test_extreme_features_stay_finite(model, population):
    huge = np.random.default_rng(0).normal(size=(6, WIDTH)).astype(np.float32) * 1e4
    evidence = Evidence(huge, -huge)
    for posterior in (model.infer(population, evidence), *model.infer_many(population, [evidence])):
        assert np.isfinite(posterior.mean).all()
        assert np.isfinite(posterior.covariance).all()
        assert np.linalg.eigvalsh(posterior.covariance).min() > 0


def test_a_weight_counts_as_repetitions(model, population):
    data, _ = planted(14, users=1, pairs=4)
    mine = data.evidence(0)
    heavy = Evidence(mine.chosen, mine.rejected, np.full(4, 3.0, np.float32))
    thrice = mine.take([0, 1, 2, 3] * 3)
    np.testing.assert_allclose(
        model.infer(population, heavy).mean, model.infer(population, thrice).mean, atol=1e-5
    )


def test_logit_is_antisymmetric_with_the_spread_of_the_difference(model, population):
    data, _ = planted(15, users=1, pairs=10)
    posterior = model.infer(population, data.evidence(0))
    forth = model.logit(population, posterior, data.chosen, data.rejected)
    back = model.logit(population, posterior, data.rejected, data.chosen)
    np.testing.assert_array_equal(forth.mean, -back.mean)
    np.testing.assert_array_equal(forth.std, back.std)
    a = model.score(population, [posterior], data.chosen)
    b = model.score(population, [posterior], data.rejected)
    np.testing.assert_allclose(forth.mean, (a.mean - b.mean)[0], atol=1e-4)
    same = model.logit(population, posterior, data.chosen, data.chosen)
    assert not same.std.any()


def test_score_of_many_users_is_that_of_each(model, population):
    data, _ = planted(16, users=5, pairs=6)
    posteriors = [model.infer(population, data.evidence(user)) for user in range(5)]
    together = model.score(population, posteriors, data.chosen)
    for user, posterior in enumerate(posteriors):
        alone = model.score(population, [posterior], data.chosen)
        np.testing.assert_allclose(together.mean[user], alone.mean[0], atol=1e-5)
        np.testing.assert_allclose(together.std[user], alone.std[0], atol=1e-5)
    assert model.score(population, [], data.chosen).mean.shape == (0, 30)


def test_cosine_of_embeddings_is_the_correlation_of_logits(model, population):
    data, _ = planted(17, users=150, pairs=12)
    posteriors = [model.infer(population, data.evidence(user)) for user in range(6)]
    embedding = np.array([model.embed(population, each) for each in posteriors])
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    train, _ = planted(0, users=150, pairs=12)
    logits = np.array(
        [model.logit(population, each, train.chosen, train.rejected).mean for each in posteriors]
    )
    logits /= np.linalg.norm(logits, axis=1, keepdims=True)
    np.testing.assert_allclose(embedding @ embedding.T, logits @ logits.T, atol=0.01)


def test_gradient_of_the_bound_is_its_slope():
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(6), (1, 2, 3, 5, 8, 13))
    weight = np.ones(len(user), np.float32)
    offset = rng.normal(size=len(user)).astype(np.float32)
    latent = rng.normal(size=(len(user), 3)).astype(np.float32)
    target = rng.choice([0.5, 1.0, 1.125], size=len(user)).astype(np.float32)
    direction = rng.normal(size=(len(user), 4)).astype(np.float32)

    def bound(step):
        blocks = blocks_of_users(user, weight, target)
        for _ in range(6):  # warm starts bring the inner maximum to convergence
            result = lower_bound(
                blocks, offset + step * direction[:, 0], latent + step * direction[:, 1:]
            )
        return result

    middle = bound(0.0)
    slope = (middle.pull * direction[:, 0]).sum() + (middle.turn * direction[:, 1:]).sum()
    step = 0.02
    measured = (bound(step).per_user.sum() - bound(-step).per_user.sum()) / (2 * step)
    assert measured == pytest.approx(slope, rel=0.02)


def test_the_bound_is_tight_for_one_latent_dimension():
    """Against the integral over ``z`` by a fine grid."""
    rng = np.random.default_rng(1)
    offset = rng.normal(size=5).astype(np.float32)
    latent = rng.normal(size=(5, 1)).astype(np.float32) * 2
    grid = np.linspace(-8, 8, 4001)
    likelihood = np.exp(-np.logaddexp(0, -(offset[:, None] + latent * grid)).sum(0))
    prior = np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi)
    exact = np.log((likelihood * prior).sum() * (grid[1] - grid[0]))
    user, weight = np.zeros(5, np.int64), np.ones(5, np.float32)
    found = lower_bound(
        blocks_of_users(user, weight, np.ones_like(weight)), offset, latent
    ).per_user[0]
    assert exact - 0.05 < found < exact + 0.002


@pytest.mark.parametrize("users", [1, 2, 5, 9])
def test_tiny_populations_fit(model, users):
    data, _ = planted(18, users=users, pairs=5)
    population = model.fit(data, rng=np.random.default_rng(0))
    assert np.isfinite(population.arrays["projection"]).all()


def test_equal_input_gives_the_equal_population(model):
    data, _ = planted(19, users=24, pairs=6)
    versions = {model.fit(data, rng=np.random.default_rng(1)).version for _ in range(2)}
    assert len(versions) == 1


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"max_rank": 17}, "max_rank"), ({"folds": 1}, "folds"), ({"keep": -1.0}, "keep")],
)
def test_bad_settings_are_named(settings, word):
    with pytest.raises(InvalidInputError, match=word):
        Hierarchical(**settings)


def test_foreign_width_population_and_model_are_refused(model, population):
    posterior = model.infer(population, Evidence.empty(WIDTH))
    wide = np.zeros((1, WIDTH + 1), np.float32)
    for call in (
        lambda: model.infer(population, Evidence.empty(WIDTH + 1)),
        lambda: model.infer_many(population, [Evidence(wide, wide)]),
        lambda: model.update(population, posterior, Evidence(wide, wide)),
        lambda: model.score(population, [posterior], wide),
        lambda: model.logit(population, posterior, wide, wide),
    ):
        with pytest.raises(InvalidInputError, match="expects"):
            call()
    other = Population(population.reward_model, "another space", population.arrays)
    with pytest.raises(FingerprintMismatchError):
        model.update(other, posterior, Evidence.empty(WIDTH))
    with pytest.raises(FingerprintMismatchError):
        model.embed(other, posterior)
    stranger = Population("elsewhere", "planted", population.arrays)
    with pytest.raises(FingerprintMismatchError, match="elsewhere"):
        model.infer(stranger, Evidence.empty(WIDTH))


POOL = np.random.default_rng(50).normal(size=(40, WIDTH)).astype(np.float32)


def votes(seed: int, *, users: int, pairs: int):
    """Comparisons of 40 responses, of each of which a user thinks something beyond tastes."""
    rng = np.random.default_rng(seed)
    weights = SHARED + rng.normal(size=(users, 2)) @ TASTES.T
    rewards = weights @ POOL.T + 3.0 * rng.normal(size=(users, len(POOL)))
    user = np.repeat(np.arange(users), pairs)
    a, b = np.array([rng.choice(len(POOL), 2, replace=False) for _ in user]).T
    first = rng.random(len(user)) < 1.0 / (1.0 + np.exp(rewards[user, b] - rewards[user, a]))
    chosen, rejected = np.where(first, a, b), np.where(first, b, a)
    return PreferenceData(POOL[chosen], POOL[rejected], user, "votes"), chosen, rejected


@pytest.fixture(scope="module")
def voters(model):
    data, _, _ = votes(60, users=120, pairs=30)
    return model.fit(data, rng=np.random.default_rng(0))


def test_single_responses_are_recalled_where_people_are_like_that(model, voters, population):
    assert voters.meta["recall"] > 0
    assert population.meta["recall"] == 0
    assert "recall" not in population.arrays
    test, _, _ = votes(61, users=60, pairs=40)
    forgetful = replace(voters, arrays={k: v for k, v in voters.arrays.items() if k != "recall"})
    with_recall, _ = held_out(model, voters, test, 24)
    without, _ = held_out(model, forgetful, test, 24)
    assert with_recall > without + 0.01


def test_recall_says_nothing_about_responses_not_judged(model, voters):
    rng = np.random.default_rng(62)
    mine = Evidence(POOL[[0, 1, 2]], POOL[[3, 4, 5]])
    posterior = model.infer(voters, mine)
    forgetful = replace(voters, arrays={k: v for k, v in voters.arrays.items() if k != "recall"})
    a, b = rng.normal(size=(2, 5, WIDTH)).astype(np.float32)
    ours = model.logit(voters, posterior, a, b)
    theirs = model.logit(forgetful, model.infer(forgetful, mine), a, b)
    np.testing.assert_allclose(ours.mean, theirs.mean, atol=1e-5)
    liked = model.logit(voters, posterior, POOL[[0]], b[:1]).mean
    assert liked > model.logit(forgetful, model.infer(forgetful, mine), POOL[[0]], b[:1]).mean


def test_recall_is_the_same_however_the_comparisons_came(model, voters):
    data, chosen, rejected = votes(63, users=2, pairs=12)
    mine = data.evidence(0)
    whole = model.infer(voters, mine)
    step = model.infer(voters, Evidence.empty(WIDTH))
    for part in ([0, 1], list(range(2, 12))):
        step = model.update(voters, step, mine.take(part))
    many = model.infer_many(voters, [mine, data.evidence(1)])[0]
    a, b = POOL[chosen[:12]], POOL[rejected[12:]]
    expected = model.logit(voters, whole, a, b).mean
    for other in (step, many):
        np.testing.assert_allclose(model.logit(voters, other, a, b).mean, expected, atol=1e-2)
    scores = model.score(voters, [whole, many], np.concatenate([a, b])).mean
    np.testing.assert_allclose(scores[0, :12] - scores[0, 12:], expected, atol=1e-3)


def test_recall_keeps_what_the_posterior_keeps(model, voters):
    data, _, _ = votes(64, users=1, pairs=KEPT + 40)
    posterior = model.infer(voters, data.evidence(0))
    assert len(posterior.state["key"]) == len(posterior.state["rows"]) == KEPT
    more = model.update(voters, posterior, data.evidence(0).take(np.arange(5)))
    assert len(more.state["key"]) == KEPT
    np.testing.assert_array_equal(more.state["key"][:-5], posterior.state["key"][5:])

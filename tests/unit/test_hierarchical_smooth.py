"""Where the same responses are compared often, the shared reward may be a smooth function."""

import numpy as np
import pytest

from persona_bradley_terry import BradleyTerry
from persona_engine.errors import InvalidInputError
from persona_engine.modelling import principal_differences
from persona_engine.modelling.logistic import residual
from persona_engine.types import Evidence, PreferenceData
from persona_hierarchical import Hierarchical
from persona_hierarchical.gains import gain_of
from persona_hierarchical.landmarks import Landmarks
from persona_hierarchical.smooth import fit_weights, recurring, with_spread

WIDTH = 6
RESPONSES = np.random.default_rng(5).normal(size=(60, WIDTH)).astype(np.float32)
BENT = 3.0 * np.abs(RESPONSES[:, 0]) - 2.0 * np.abs(RESPONSES[:, 1])  # no linear reward sees it
STRAIGHT = 2.0 * RESPONSES[:, 0]


def judged(reward, seed, *, users, pairs, sureness=0.0):
    """Comparisons of the responses by users who follow one reward, some more surely than others."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), pairs)
    a = rng.integers(0, len(RESPONSES), len(user))
    b = (a + rng.integers(1, len(RESPONSES), len(user))) % len(RESPONSES)
    follows = np.exp(sureness * rng.normal(size=users))[user]
    first = rng.random(len(user)) < 1.0 / (1.0 + np.exp(-follows * (reward[a] - reward[b])))
    chosen, rejected = np.where(first, a, b), np.where(first, b, a)
    return PreferenceData(RESPONSES[chosen], RESPONSES[rejected], user, "judged")


def accuracy(model, population, data):
    right = []
    for user in data.users:
        mine = data.evidence(int(user))
        posterior = model.infer(population, mine.take(np.arange(4)))
        rest = mine.take(np.arange(4, len(mine)))
        right.append(
            (model.logit(population, posterior, rest.chosen, rest.rejected).mean > 0).mean()
        )
    return float(np.mean(right))


@pytest.fixture(scope="module")
def model():
    return Hierarchical()


@pytest.fixture(scope="module")
def bent(model):
    data = judged(BENT, 0, users=90, pairs=24, sureness=0.7)
    return model.fit(data, rng=np.random.default_rng(0))


def test_a_reward_that_is_not_linear_is_found(model, bent):
    assert bent.meta["form"] == "smooth"
    test = judged(BENT, 1, users=40, pairs=30)
    pooled = BradleyTerry()
    baseline = pooled.fit(judged(BENT, 0, users=90, pairs=24), rng=np.random.default_rng(0))
    assert accuracy(model, bent, test) > accuracy(pooled, baseline, test) + 0.1


def test_a_linear_reward_stays_linear(model):
    data = judged(STRAIGHT, 2, users=90, pairs=24)
    population = model.fit(data, rng=np.random.default_rng(0))
    assert population.meta["form"] == "linear"
    assert "landmarks" not in population.arrays


def test_who_follows_the_reward_closely_is_believed_more_surely(model, bent):
    assert bent.meta["rank"] == 1
    best, worst = RESPONSES[BENT.argmax()], RESPONSES[BENT.argmin()]
    order = np.argsort(BENT)
    good, bad = RESPONSES[order[-20:]], RESPONSES[order[:20]]
    close = model.infer(bent, Evidence(good, bad))
    loose = model.infer(
        bent,
        Evidence(
            np.where(np.arange(20)[:, None] % 2, good, bad),
            np.where(np.arange(20)[:, None] % 2, bad, good),
        ),
    )
    sure, unsure = (
        model.logit(bent, each, best[None], worst[None]).probability()[0] for each in (close, loose)
    )
    assert sure > unsure > 0.5


def test_score_update_and_batches_agree(model, bent):
    test = judged(BENT, 3, users=3, pairs=12)
    people = [test.evidence(user) for user in range(3)]
    alone = [model.infer(bent, each) for each in people]
    for one, other in zip(alone, model.infer_many(bent, people), strict=True):
        np.testing.assert_allclose(one.mean, other.mean, atol=1e-4)
    first, rest = people[0].take(np.arange(5)), people[0].take(np.arange(5, 12))
    updated = model.update(bent, model.infer(bent, first), rest)
    np.testing.assert_allclose(updated.mean, alone[0].mean, atol=1e-5)
    a, b = RESPONSES[:7], RESPONSES[7:14]
    both = model.score(bent, alone, np.concatenate([a, b])).mean[0]
    logit = model.logit(bent, alone[0], a, b)
    np.testing.assert_allclose(both[:7] - both[7:], logit.mean, atol=1e-4)
    assert (logit.std > 0).all()
    np.testing.assert_allclose(model.logit(bent, alone[0], a, a).mean, 0.0)
    assert model.embed(bent, alone[0]).shape == (2,)


def test_features_of_another_width_are_refused(model, bent):
    wrong = np.zeros((2, WIDTH + 1), np.float32)
    posterior = model.infer(bent, Evidence(RESPONSES[:0], RESPONSES[:0]))
    with pytest.raises(InvalidInputError, match=str(WIDTH + 1)):
        model.infer(bent, Evidence(wrong, wrong))
    with pytest.raises(InvalidInputError, match=str(WIDTH + 1)):
        model.score(bent, [posterior], wrong)
    with pytest.raises(InvalidInputError, match=str(WIDTH + 1)):
        model.logit(bent, posterior, wrong, wrong)


def test_responses_that_do_not_recur_have_no_landmarks():
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(2, 200, WIDTH)).astype(np.float32)
    data = PreferenceData(a, b, np.arange(200) % 20, "new")
    assert recurring(data, principal_differences(data, keep=0.999)) is None


def test_nearness_falls_with_distance():
    points = np.float32([[0.0, 0.0], [3.0, 4.0]])
    landmarks = Landmarks(np.zeros(2, np.float32), np.eye(2, dtype=np.float32), points)
    expected = [[1.0, np.exp(-5.0)], [np.exp(-5.0), 1.0]]
    np.testing.assert_allclose(landmarks.nearness(points), expected, atol=1e-6)


def test_the_fit_is_at_its_optimum_and_surer_where_more_was_compared():
    data = judged(BENT, 4, users=30, pairs=20)
    comparisons = recurring(data, principal_differences(data, keep=0.999))
    assert comparisons is not None
    often = comparisons.chosen < 10  # the other responses count only where they meet these
    weight = np.where(often, 5.0, 0.1).astype(np.float32)
    w = fit_weights(comparisons, weight, data.target, 1.0)
    x = comparisons.coordinates
    left = weight * residual(comparisons.difference(x @ w), data.target)
    slope = w - comparisons.gathered(left) @ x
    assert np.abs(slope).max() < 0.03 * np.abs(w).max()
    spread = np.square((x - x.mean(0)) @ with_spread(comparisons, weight, w, 1.0).root).sum(1)
    assert spread[:10].mean() < spread[10:].mean()


def test_a_gain_within_its_noise_is_none():
    rng = np.random.default_rng(7)
    before = rng.normal(0.5, 0.1, size=400)
    assert gain_of(before, before - 0.01).real
    assert not gain_of(before, before - 0.001).real
    assert not gain_of(before, before - 0.01 + np.tile([0.5, -0.5], 200)).real

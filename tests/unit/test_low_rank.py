"""LoRe and PReF find how users differ, and a new user from a few answers."""

import numpy as np
import pytest

from persona_bradley_terry import BradleyTerry
from persona_engine.errors import FingerprintMismatchError, InvalidInputError
from persona_engine.modelling import principal_differences
from persona_engine.types import Evidence, Population, PreferenceData
from persona_low_rank import Lore, Pref
from persona_low_rank.joint import (
    Fit,
    OneAndFree,
    Softmax,
    fit_jointly,
    loss_of,
    sample_of,
    softmax,
)
from persona_low_rank.lore_inference import KEPT
from persona_low_rank.simplex import Votes, modes, simplex_moments
from persona_low_rank.start import spectral_start

WIDTH = 12
MODELS = {"lore": Lore, "pref": Pref}
_TRUTH = np.random.default_rng(99)
SHARED = _TRUTH.normal(size=WIDTH) * 0.15
TASTES = np.linalg.qr(_TRUTH.normal(size=(WIDTH, 2)))[0] * (2.0, 1.4)  # (D, 2)


def planted(seed: int, *, users: int, pairs: int, tastes=TASTES):
    """Comparisons of users ``w₀ + B z``."""
    rng = np.random.default_rng(seed)
    weights = SHARED + rng.normal(size=(users, tastes.shape[1])) @ tastes.T
    a, b = rng.normal(size=(2, users * pairs, WIDTH)).astype(np.float32)
    user = np.repeat(np.arange(users), pairs)
    logit = ((a - b) * weights[user]).sum(1)
    first = (rng.random(len(a)) < 1.0 / (1.0 + np.exp(-logit)))[:, None]
    return PreferenceData(np.where(first, a, b), np.where(first, b, a), user, "planted")


@pytest.fixture(scope="module")
def populations():
    data = planted(0, users=100, pairs=12)
    return {key: make().fit(data, rng=np.random.default_rng(0)) for key, make in MODELS.items()}


@pytest.fixture(params=list(MODELS))
def fitted(request, populations):
    return MODELS[request.param](), populations[request.param]


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


def test_few_answers_beat_the_pooled_fit(fitted):
    model, population = fitted
    pooled = BradleyTerry()
    baseline = pooled.fit(planted(0, users=100, pairs=12), rng=np.random.default_rng(0))
    test = planted(1, users=80, pairs=32)
    flat, _ = held_out(pooled, baseline, test, 16)
    losses = []
    for shots, gain in ((1, 0.01), (4, 0.06), (16, 0.12)):
        accuracy, loss = held_out(model, population, test, shots)
        assert accuracy > flat + gain
        losses.append(loss)
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("make", MODELS.values())
def test_without_personal_signal_nobody_is_told_apart(make):
    nothing = np.zeros((WIDTH, 1))
    data = planted(5, users=60, pairs=10, tastes=nothing)
    model, pooled = make(), BradleyTerry()
    population = model.fit(data, rng=np.random.default_rng(0))
    baseline = pooled.fit(data, rng=np.random.default_rng(0))
    test = planted(6, users=100, pairs=24, tastes=nothing)
    ours, theirs = (held_out(m, p, test, 8) for m, p in ((model, population), (pooled, baseline)))
    assert ours[0] > theirs[0] - 0.02
    assert ours[1] < theirs[1] + 0.01


def test_update_is_infer_on_the_concatenation_beyond_what_is_kept(fitted):
    model, population = fitted
    mine = planted(9, users=1, pairs=KEPT + 40).evidence(0)
    whole = model.infer(population, mine)
    assert len(whole.state["rows"]) == KEPT
    step = model.infer(population, mine.take(np.arange(KEPT - 20)))
    for begin in range(KEPT - 20, len(mine), 20):
        step = model.update(population, step, mine.take(np.arange(begin, begin + 20)))
    assert step.count == whole.count == KEPT + 40
    np.testing.assert_allclose(step.mean, whole.mean, atol=0.05)
    a, b = mine.chosen[:50], mine.rejected[:50]
    found, expected = (model.logit(population, p, a, b) for p in (step, whole))
    np.testing.assert_allclose(found.mean, expected.mean, atol=0.1)
    np.testing.assert_allclose(found.std, expected.std, rtol=0.05)


def test_strength_and_ties_count(fitted):
    model, population = fitted
    mine = planted(10, users=1, pairs=6).evidence(0)
    twice = Evidence(*(np.repeat(each, 2, 0) for each in (mine.chosen, mine.rejected)))
    strong = Evidence(mine.chosen, mine.rejected, np.full(6, 2.0, np.float32))
    a, b = mine.chosen, mine.rejected
    by_repeat, by_strength = (
        model.logit(population, model.infer(population, each), a, b) for each in (twice, strong)
    )
    np.testing.assert_allclose(by_repeat.mean, by_strength.mean, atol=1e-4)
    np.testing.assert_allclose(by_repeat.std, by_strength.std, atol=1e-4)
    tied = Evidence(a, b, target=np.full(6, 0.5, np.float32))
    swapped = Evidence(b, a, target=np.full(6, 0.5, np.float32))
    for_a, for_b = (model.infer(population, each).mean for each in (tied, swapped))
    np.testing.assert_allclose(for_a, for_b, atol=1e-4)


def test_ties_are_fitted_too():
    data = planted(11, users=40, pairs=8)
    half = np.full(len(data), 0.5, np.float32)
    tied = PreferenceData(data.chosen, data.rejected, data.user, "planted", target=half)
    for make in MODELS.values():
        population = make().fit(tied, rng=np.random.default_rng(0))
        stranger = make().infer(population, Evidence.empty(WIDTH))
        p = make().logit(population, stranger, data.chosen, data.rejected).probability()
        assert np.abs(p - 0.5).max() < 0.05


def test_lore_weights_are_shares_of_the_basis(populations):
    model, population = Lore(), populations["lore"]
    for pairs in (1, 8, 40):
        posterior = model.infer(population, planted(12, users=1, pairs=pairs).evidence(0))
        assert posterior.mean.sum() == pytest.approx(1.0, abs=1e-5)
        assert (posterior.mean > 0).all()
        spread = posterior.covariance @ np.ones(len(posterior.mean))
        np.testing.assert_allclose(spread, 0.0, atol=1e-5)  # shares add up to one, surely


def test_lore_never_leaves_the_hull_of_its_basis(populations):
    model, population = Lore(), populations["lore"]
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(1, WIDTH)).astype(np.float32)
    stubborn = Evidence(np.repeat(10 * direction, 200, 0), np.repeat(-10 * direction, 200, 0))
    reward = model.score(population, [model.infer(population, stubborn)], direction).mean[0, 0]
    corners = (direction - population.arrays["centre"]) @ population.arrays["basis"]
    assert corners.min() <= reward <= corners.max()


def test_simplex_modes_are_stationary_and_alike_beside_others():
    rng = np.random.default_rng(1)
    users, n, k = 7, 5, 4
    precision = np.broadcast_to(np.eye(k), (users, k, k))
    votes = Votes(
        rng.normal(size=(users, n, k)) * 3,
        rng.uniform(0.5, 2.0, (users, n)),
        rng.uniform(0.0, 1.0, (users, n)),
        precision,
        np.zeros((users, k)),
        np.zeros((users, k, k)),
    )
    start = np.zeros((users, k))
    together, covariance = modes(votes, start)
    gradient, _ = votes.slope(together)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-5)
    assert (votes.loss(together) <= votes.loss(start)).all()
    for user in range(users):
        alone, spread = modes(votes.take(np.array([user])), start[:1])
        np.testing.assert_allclose(alone[0], together[user], atol=1e-6)
        np.testing.assert_allclose(spread[0], covariance[user], atol=1e-6)


def test_simplex_moments_are_those_of_draws():
    rng = np.random.default_rng(2)
    mean = rng.normal(size=(1, 5))
    factor = rng.normal(size=(5, 5)) * 0.5
    covariance = (factor @ factor.T)[None]
    draws = softmax(mean + rng.normal(size=(200_000, 5)) @ factor.T)
    centre, spread = simplex_moments(mean, covariance)
    np.testing.assert_allclose(centre[0], draws.mean(0), atol=0.01)
    np.testing.assert_allclose(spread[0], np.cov(draws.T), atol=0.01)


@pytest.mark.parametrize("link", [OneAndFree(), Softmax()])
def test_gradients_of_the_joint_loss(link):
    data = planted(13, users=4, pairs=6)
    differences = principal_differences(data, keep=1.0)
    sample = sample_of(differences, np.ones(len(data), bool))
    rng = np.random.default_rng(3)
    basis = rng.normal(size=(sample.rows.shape[1], 3))
    free = rng.normal(size=(4, 2 if isinstance(link, OneAndFree) else 3))
    _, by_basis, by_free = loss_of(sample, Fit(basis, free), link)
    for which, gradient in enumerate((by_basis, by_free)):
        way = rng.normal(size=gradient.shape)
        step = 1e-2
        ends = []
        for sign in (step, -step):
            moved = [basis, free]
            moved[which] = moved[which] + sign * way
            ends.append(loss_of(sample, Fit(*moved), link)[0])
        expected = (ends[0] - ends[1]) / (2 * step)
        assert np.vdot(gradient, way) == pytest.approx(expected, rel=2e-3)


def test_the_spectral_start_finds_the_tastes_and_the_fit_lowers_the_loss():
    data = planted(14, users=120, pairs=10)
    differences = principal_differences(data, keep=1.0)
    sample = sample_of(differences, np.ones(len(data), bool))
    start = spectral_start(sample, np.zeros(sample.rows.shape[1]), rank=2, ridge=30.0)
    found = np.linalg.qr(differences.axes @ start.basis[:, 1:])[0]
    truth = np.linalg.qr(TASTES)[0]
    assert np.linalg.svd(found.T @ truth)[1].min() > 0.7
    fit = fit_jointly(
        sample,
        start,
        OneAndFree(),
        anchor=np.zeros_like(start.basis),
        ridge=np.full(3, 30.0),
        precision=1.0,
    )
    assert loss_of(sample, fit, OneAndFree())[0] < loss_of(sample, start, OneAndFree())[0]


def test_the_best_query_is_undecided_and_unexplored(populations):
    model, population = Pref(), populations["pref"]
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 40, WIDTH)).astype(np.float32)
    posterior = model.infer(population, Evidence.empty(WIDTH))
    before = model.query_values(population, posterior, a, b)
    assert before.shape == (40,)
    best = int(before.argmax())
    answered = Evidence(a[[best] * 8], b[[best] * 8])
    after = model.query_values(population, model.infer(population, answered), a, b)
    assert after[best] < 0.3 * before[best]
    assert int(after.argmax()) != best


def test_asking_what_pref_asks_learns_faster_than_asking_anything(populations):
    """Mean variance of the logits left after five answers, over people."""
    model, population = Pref(), populations["pref"]
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 200, WIDTH)).astype(np.float32)
    left = {"chosen": [], "random": []}
    for seed in range(12):
        taste = SHARED + TASTES @ np.random.default_rng(seed).normal(size=2)
        for how, spreads in left.items():
            posterior = model.infer(population, Evidence.empty(WIDTH))
            for number in range(5):
                values = model.query_values(population, posterior, a, b)
                row = int(values.argmax()) if how == "chosen" else 7 * seed + number
                first, second = (a, b) if (a[row] - b[row]) @ taste > 0 else (b, a)
                answer = Evidence(first[row : row + 1], second[row : row + 1])
                posterior = model.update(population, posterior, answer)
            logit = model.logit(population, posterior, a, b)
            spreads.append(np.square(logit.std).mean())
    assert np.mean(left["chosen"]) < np.mean(left["random"])


@pytest.mark.parametrize("make", MODELS.values())
@pytest.mark.parametrize(
    ("settings", "word"), [({"folds": 1}, "folds"), ({"keep": 0.0}, "keep"), ({"keep": 2}, "keep")]
)
def test_bad_settings_are_named(make, settings, word):
    with pytest.raises(InvalidInputError, match=word):
        make(**settings)


def test_bad_sizes_are_named():
    with pytest.raises(InvalidInputError, match="bases"):
        Lore(bases=1)
    with pytest.raises(InvalidInputError, match="rank"):
        Pref(rank=0)


def test_sizes_are_respected():
    data = planted(15, users=30, pairs=6)
    lore = Lore(bases=5).fit(data, rng=np.random.default_rng(0))
    assert lore.arrays["basis"].shape == (WIDTH, 5)
    pref = Pref(rank=3).fit(data, rng=np.random.default_rng(0))
    assert pref.arrays["projection"].shape == (WIDTH, 4)


def test_foreign_width_and_population_are_refused(fitted):
    model, population = fitted
    wide = np.zeros((1, WIDTH + 1), np.float32)
    posterior = model.infer(population, Evidence.empty(WIDTH))
    with pytest.raises(InvalidInputError, match="expects"):
        model.infer(population, Evidence.empty(WIDTH + 1))
    with pytest.raises(InvalidInputError, match="expects"):
        model.score(population, [posterior], wide)
    assert model.score(population, [], wide[:, 1:]).mean.shape == (0, 1)
    stranger = Population("elsewhere", "planted", population.arrays)
    with pytest.raises(FingerprintMismatchError, match="elsewhere"):
        model.infer(stranger, Evidence.empty(WIDTH))

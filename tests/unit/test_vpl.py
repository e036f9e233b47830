"""Variational preference learning: the official numbers, and what each option promises."""

import json
from pathlib import Path

import numpy as np
import pytest

from persona_engine.errors import InvalidInputError
from persona_engine.modelling import with_label_noise
from persona_engine.testing import plant
from persona_engine.testing.reward_models import REWARD_MODEL_CHECKS
from persona_engine.testing.subjects import RewardModelSubject
from persona_engine.types import Evidence, PreferenceData
from persona_vpl import Variational
from persona_vpl.belief import believe, cubature, spread_points
from persona_vpl.network import attend, encode_pairs, flow, mean_gaussian, reward
from persona_vpl.objective import annealing, divergence, reconstruction, swap_guidance
from persona_vpl.settings import Settings
from persona_vpl.start import first_values

OFFICIAL = json.loads(Path(__file__).with_name("vpl_official.json").read_text())
SMALL = {"latent": 16, "hidden": 64, "steps": 100, "learning_rate": 8e-3}


def official(name):
    return np.array(OFFICIAL[name], np.float32)


def official_parameters():
    return {name: np.array(value, np.float32) for name, value in OFFICIAL["parameters"].items()}


def settings(**changes):
    chosen = {
        "latent": 8,
        "hidden": 16,
        "aggregation": "product",
        "decoder": "modulated",
        "scaling": "none",
        "learning_rate": 1e-3,
        "decay": 0.0,
        "divergence_weight": 1e-3,
        "guidance": 0.0,
        "flows": 2,
        "steps": 10,
        "context": 8,
        "keep": 1.0,
    }
    return Settings(**(chosen | changes))


@pytest.fixture(scope="module")
def planted():
    return plant(seed=1, shared=0.0, personal=4.0, users=80)


@pytest.fixture(scope="module")
def model():
    return Variational(**SMALL)


@pytest.fixture(scope="module")
def population(model, planted):
    return model.fit(planted.data, rng=np.random.default_rng(0))


def official_beliefs(parameters):
    chosen, rejected = official("context_chosen"), official("context_rejected")
    found = []
    for begin, end in zip([0, *OFFICIAL["context_ends"]], OFFICIAL["context_ends"], strict=False):
        pairs = encode_pairs(parameters, chosen[begin:end], rejected[begin:end])
        ones = np.ones(end - begin, np.float32)
        found.append(mean_gaussian(parameters, attend(parameters, pairs, ones), ones))
    return tuple(np.stack(each) for each in zip(*found, strict=True))


def test_encoder_equals_the_official_one():
    mean, log_variance = official_beliefs(official_parameters())
    np.testing.assert_allclose(mean, official("mean"), atol=1e-5)
    np.testing.assert_allclose(log_variance, official("log_variance"), atol=1e-5)


def test_rewards_equal_the_official_ones():
    parameters, z = official_parameters(), official("mean")
    for side in ("chosen", "rejected"):
        found = reward(parameters, official(f"target_{side}"), z)
        np.testing.assert_allclose(found, official(f"reward_{side}")[:, 0], atol=1e-5)


def test_loss_equals_the_official_one():
    gap = (official("reward_chosen") - official("reward_rejected"))[:, 0]
    fit = reconstruction(gap, np.ones(2, np.float32)).mean()
    kl = divergence(official("mean"), official("log_variance")).mean()
    share = annealing(OFFICIAL["loss_step"], 1e4)
    assert fit == pytest.approx(OFFICIAL["reconstruction"], abs=1e-5)
    assert kl == pytest.approx(OFFICIAL["divergence"], abs=1e-5)
    assert fit + OFFICIAL["divergence_weight"] * share * kl == pytest.approx(
        OFFICIAL["loss"], abs=1e-5
    )


def test_annealing_equals_the_official_one():
    found = [annealing(step, 1e4) for step in OFFICIAL["annealing"]["steps"]]
    assert found == pytest.approx(OFFICIAL["annealing"]["factors"], abs=1e-5)


@pytest.mark.parametrize("aggregation", ["product", "mean"])
def test_numpy_and_torch_give_the_same(aggregation):
    import torch

    rng = np.random.default_rng(0)
    parameters = first_values(6, settings(), rng)
    chosen, rejected = rng.normal(size=(2, 3, 5, 6)).astype(np.float32)
    weight = np.float32(rng.random((3, 5)) < 0.7) * 1.5
    x = rng.normal(size=(3, 16, 6)).astype(np.float32)

    def forward(parameters, inputs):
        chosen, rejected, weight, noise, x = inputs
        pairs = encode_pairs(parameters, chosen, rejected)
        swapped = encode_pairs(parameters, rejected, chosen)
        belief = believe(parameters, pairs, swapped, weight, aggregation=aggregation)
        z = spread_points(parameters, belief, noise)
        _, log_determinant = flow(parameters, belief.mean, belief.pulls, belief.commons)
        return belief.mean, belief.log_variance, z, log_determinant, reward(parameters, x, z)

    noise = np.broadcast_to(cubature(8), (3, 16, 8)).copy()
    inputs = (chosen, rejected, weight, noise, x)
    expected = forward(parameters, inputs)
    tensors = {name: torch.from_numpy(value) for name, value in parameters.items()}
    found = forward(tensors, [torch.from_numpy(each) for each in inputs])
    for left, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(left.numpy(), right, atol=1e-5)


@pytest.mark.parametrize("number", [1, 2])
def test_a_flow_is_autoregressive_and_knows_its_volume(number):
    rng = np.random.default_rng(1)
    parameters = first_values(3, settings(flows=number), rng)
    parameters = {name: value.astype(np.float64) * 3.0 for name, value in parameters.items()}
    z, pulls, commons = rng.normal(size=(3, 8))
    moved, log_determinant = flow(parameters, z, pulls, commons)
    step = 1e-6 * np.eye(8)
    jacobian = (flow(parameters, z + step, pulls, commons)[0] - moved) / 1e-6  # (input, output)
    sign, expected = np.linalg.slogdet(jacobian)
    assert sign == 1.0
    assert log_determinant == pytest.approx(expected, abs=1e-3)
    if number == 1:
        np.testing.assert_allclose(np.tril(jacobian, -1), 0.0, atol=1e-6)
        assert np.abs(np.triu(jacobian, 1)).max() > 1e-3


def test_swap_guidance_is_least_where_the_mean_turns_and_the_spread_stays():
    mean, spread = np.random.default_rng(2).normal(size=(2, 5, 4))
    assert swap_guidance(mean, spread, -mean, spread) == pytest.approx(np.zeros(5), abs=1e-9)
    assert swap_guidance(mean, spread, mean, spread) == pytest.approx(np.ones(5))
    assert swap_guidance(mean, spread, -mean, -spread) == pytest.approx(np.full(5, 0.1))


@pytest.mark.parametrize("aggregation", ["product", "mean"])
def test_weight_counts_comparisons(planted, aggregation):
    model = Variational(**SMALL | {"steps": 10, "aggregation": aggregation})
    population = model.fit(planted.data, rng=np.random.default_rng(0))
    some = planted.support[0].take(range(4))
    doubled = Evidence(some.chosen, some.rejected, np.float32([2, 1, 0, 1]))
    repeated = some.take([0, 0, 1, 3])
    found, expected = model.infer_many(population, [doubled, repeated])
    np.testing.assert_allclose(found.mean, expected.mean, atol=1e-5)
    np.testing.assert_allclose(found.covariance, expected.covariance, atol=1e-5)


def test_a_tie_has_no_side(model, population, planted):
    some = planted.support[0].take(range(3))
    half = np.full(3, 0.5, np.float32)
    tie = Evidence(some.chosen, some.rejected, target=half)
    turned = Evidence(some.rejected, some.chosen, target=half)
    found, expected = model.infer_many(population, [tie, turned])
    np.testing.assert_allclose(found.mean, expected.mean, atol=1e-5)
    assert found.count == 3
    won = model.logit(population, model.infer(population, some), some.chosen, some.rejected)
    tied = model.logit(population, found, some.chosen, some.rejected)
    assert won.mean.mean() > tied.mean.mean() + 0.3


def test_ties_and_noisy_labels_can_be_fitted(planted):
    model = Variational(**SMALL | {"steps": 10})
    data = planted.data
    target = np.where(np.arange(len(data)) % 5 == 0, 0.5, 1.0).astype(np.float32)
    tied = PreferenceData(data.chosen, data.rejected, data.user, data.fingerprint, target=target)
    population = model.fit(with_label_noise(tied, 0.1), rng=np.random.default_rng(0))
    assert all(np.isfinite(value).all() for value in population.arrays.values())


def test_each_answer_makes_the_latent_surer(model, population, planted):
    evidence = planted.support[0]
    sizes = [0, 1, 4, 20]
    people = model.infer_many(population, [evidence.take(range(size)) for size in sizes])
    spreads = np.array([np.diag(each.covariance) for each in people])
    assert (np.diff(spreads, axis=0) < 0).all()
    np.testing.assert_allclose(spreads[0], population.meta["spread"] ** 2, rtol=1e-5)


def test_active_units_tell_collapse(population, planted):
    assert population.meta["active_units"] > 0.2
    collapsed = Variational(**SMALL, divergence_weight=10.0)
    silent = collapsed.fit(planted.data, rng=np.random.default_rng(0))
    assert silent.meta["active_units"] == 0.0


def test_without_gain_it_is_the_pooled_reward(model):
    """Of three people nothing personal is learned: any evidence leaves the pooled logits."""
    planted = plant(seed=3, shared=1.5, personal=0.0, users=3)
    population = model.fit(planted.data, rng=np.random.default_rng(0))
    query = planted.query[0]
    stranger, known = model.infer_many(population, [Evidence.empty(8), planted.support[0]])
    left = model.logit(population, stranger, query.chosen, query.rejected)
    right = model.logit(population, known, query.chosen, query.rejected)
    assert not population.meta["personal"]
    np.testing.assert_allclose(left.mean, right.mean, atol=1e-6)
    assert (right.std == 0.0).all()
    assert np.mean(left.mean > 0) > 0.6


OPTIONS = {
    "flows": {"flows": 2},
    "guidance": {"guidance": 1e-3},
    "published": {"aggregation": "mean", "decoder": "concatenated"},
}
CHECKS = (
    "shapes_and_types",
    "prior_is_shared_and_finite",
    "order_is_irrelevant",
    "update_agrees_with_infer",
    "zero_weight_is_no_evidence",
    "strange_evidence_is_survived",
    "logit_is_antisymmetric",
    "personal_preference_is_found",
    "neighbours_want_alike",
    "posterior_survives_storage",
    "users_do_not_leak",
)


class StrongTastes(RewardModelSubject):
    """The kit's subject, among people whose tastes a short training finds."""

    def replant(self):
        return plant(seed=1, shared=0.0, personal=4.0, users=80)


@pytest.mark.parametrize("options", OPTIONS)
def test_options_conform(options):
    subject = StrongTastes(lambda: Variational(**SMALL | OPTIONS[options]))
    assert subject.population.meta["personal"]
    for check in CHECKS:
        REWARD_MODEL_CHECKS[check](subject)


def test_win_rates_are_chances_in_the_same_order(planted, model, population):
    rated = Variational(**SMALL, scaling="win_rate")
    person = model.infer(population, planted.support[0])
    responses = planted.query[0].chosen
    plain = model.score(population, [person], responses).mean[0]
    rates = rated.score(population, [person], responses).mean[0]
    assert (rates > 0).all()
    assert (rates < 1).all()
    assert np.corrcoef(plain.argsort().argsort(), rates.argsort().argsort())[0, 1] > 0.95


def test_informative_queries_are_those_that_people_differ_in(model, population, planted):
    """The tastes lie in three of eight directions: asking about others teaches less."""
    axes = np.linalg.svd(planted.tastes - planted.tastes.mean(0))[2].astype(np.float32)
    a = np.concatenate([3.0 * axes[:2], 3.0 * axes[4:]])
    stranger = model.infer(population, Evidence.empty(8))
    gain = model.information_gain(population, stranger, a, -a)
    assert (gain > 0).all()
    assert gain[:2].min() > gain[2:].mean()
    rng = np.random.default_rng(0)
    best = model.choose_queries(population, stranger, a, -a, count=1, rng=rng)
    assert best.tolist() == [int(gain.argmax())]
    both = model.choose_queries(population, stranger, a, -a, count=2, rng=rng)
    assert len(set(both.tolist())) == 2


def test_an_answer_leaves_less_to_ask(model, population, planted):
    a = planted.query[0].chosen[:8]
    stranger = model.infer(population, Evidence.empty(8))
    known = model.infer(population, planted.support[0])
    before, after = (
        model.information_gain(population, each, a, -a).mean() for each in (stranger, known)
    )
    assert after < before


def test_queries_say_what_they_expect(model, population):
    stranger, a = model.infer(population, Evidence.empty(8)), np.ones((4, 8), np.float32)
    with pytest.raises(InvalidInputError, match="Q from 1 to 6"):
        model.information_gain(population, stranger, a, a[:2])
    sets, rng = np.ones((1, 7, 8), np.float32), np.random.default_rng(0)
    with pytest.raises(InvalidInputError, match="Q from 1 to 6"):
        model.information_gain(population, stranger, sets, sets)
    with pytest.raises(InvalidInputError, match="count is 5, expected 1 to 4"):
        model.choose_queries(population, stranger, a, -a, count=5, rng=rng)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"latent": 24}, "power of two"),
        ({"hidden": 0}, "hidden is 0"),
        ({"aggregation": "sum"}, "product, mean"),
        ({"decoder": "linear"}, "modulated, concatenated"),
        ({"scaling": "spo"}, "none, win_rate"),
        ({"divergence_weight": -1.0}, "divergence_weight is -1.0"),
        ({"flows": 9}, "flows is 9"),
        ({"keep": 0.0}, "keep is 0.0"),
    ],
)
def test_settings_out_of_range_are_named(setting, said):
    with pytest.raises(InvalidInputError, match=said):
        Variational(**setting)

"""The neural process `gpo`: equal to the published network, trained as it infers, never worse."""

import numpy as np
import pytest

from persona_bradley_terry import BradleyTerry
from persona_engine.errors import InvalidInputError
from persona_engine.testing import plant
from persona_engine.types import Evidence
from persona_gpo import GroupPreferenceOptimisation
from persona_gpo.episodes import Rows, labelled, split, unlabelled
from persona_gpo.network import predict, read_context
from persona_gpo.tokens import token_space
from persona_gpo.training import start

HEADS = 2


def drawn_network():
    """Weights and inputs of the published network's size 8, from one seed, in a fixed order."""
    rng = np.random.default_rng(231011523)
    shapes = {"embedder.0": (8, 4), "embedder.1": (8, 8), "embedder.2": (8, 8)}
    for layer in (0, 1):
        shapes |= {
            f"layer.{layer}.attend": (24, 8),
            f"layer.{layer}.join": (8, 8),
            f"layer.{layer}.inner": (12, 8),
            f"layer.{layer}.outer": (8, 12),
            f"layer.{layer}.norm.0": (8,),
            f"layer.{layer}.norm.1": (8,),
        }
    shapes |= {"head.0": (12, 8), "head.1": (2, 12)}
    parameters = {}
    for name, shape in shapes.items():
        parameters[f"{name}.weight"] = (0.7 * rng.normal(size=shape)).astype(np.float32)
        parameters[f"{name}.bias"] = (0.3 * rng.normal(size=shape[:1])).astype(np.float32)
    known = 2 * rng.normal(size=(5, 3)).astype(np.float32)
    asked = 2 * rng.normal(size=(4, 3)).astype(np.float32)
    labels = rng.random((5, 1)).astype(np.float32)
    return parameters, np.concatenate([known, labels], axis=1), asked


# Mean and standard deviation that GPO.predict gives for `drawn_network`: github.com/jamqd/
# Group-Preference-Optimization at b2a1560111cf (MIT), models/gpo.py, with 'cuda' read as 'cpu',
# dim_x=3, dim_y=1, d_model=8, emb_depth=3, dim_feedforward=12, nhead=2, num_layers=2, torch 2.13.
OFFICIAL_MEAN = [-1.371682047843933, -1.3671987056732178, -1.4103479385375977, -1.346916913986206]
OFFICIAL_STD = [1.820017695426941, 1.7634118795394897, 2.026252508163452, 1.9872181415557861]


def test_it_is_the_published_network():
    parameters, context, asked = drawn_network()
    known = read_context(parameters, context, np.ones(5, np.float32), heads=HEADS)
    output = predict(parameters, known, unlabelled(asked), heads=HEADS, sees_itself=False)
    np.testing.assert_allclose(output[:, 0], OFFICIAL_MEAN, atol=1e-5)
    np.testing.assert_allclose(np.exp(output[:, 1]), OFFICIAL_STD, atol=1e-5)


def test_a_target_sees_itself_and_no_other():
    parameters, context, asked = drawn_network()
    known = read_context(parameters, context, np.ones(5, np.float32), heads=HEADS)
    together = predict(parameters, known, unlabelled(asked), heads=HEADS)
    alone = [predict(parameters, known, unlabelled(each[None]), heads=HEADS)[0] for each in asked]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    nobody = read_context(parameters, context[:0], np.ones(0, np.float32), heads=HEADS)
    assert np.isfinite(predict(parameters, nobody, unlabelled(asked), heads=HEADS)).all()


def test_a_weight_counts_like_copies():
    parameters, context, asked = drawn_network()
    weight = np.array([3, 1, 1, 2, 1])
    weighted = read_context(parameters, context, weight.astype(np.float32), heads=HEADS)
    copied = read_context(
        parameters, np.repeat(context, weight, axis=0), np.ones(8, np.float32), heads=HEADS
    )
    np.testing.assert_allclose(
        predict(parameters, weighted, unlabelled(asked), heads=HEADS),
        predict(parameters, copied, unlabelled(asked), heads=HEADS),
        atol=1e-4,
    )


def rows_of(users, pairs, *, inputs=4, seed=0):
    rng = np.random.default_rng(seed)
    count = users * pairs
    items = rng.normal(size=(12, inputs)).astype(np.float32)
    response = rng.integers(12, size=(count, 2))
    return Rows(
        chosen=items[response[:, 0]],
        rejected=items[response[:, 1]],
        logit=rng.normal(size=count).astype(np.float32),
        doubt=np.zeros(count, np.float32),
        weight=rng.choice([1.0, 2.0], count).astype(np.float32),
        target=rng.choice([1.0, 0.5], count).astype(np.float32),
        response=response,
        of_user=np.split(np.arange(count), users),
    )


def test_training_and_inference_are_one_network():
    import torch

    from persona_gpo.torch_network import predict_many

    rng = np.random.default_rng(1)
    begin = start(np.ones(4, np.float32), width=12, layers=2, heads=HEADS, rng=rng)
    begin["head.1.weight"] = rng.normal(size=begin["head.1.weight"].shape).astype(np.float32)
    rows = rows_of(6, 9)
    episode = split(rows, np.arange(6), rng)
    tensors = {name: torch.from_numpy(value) for name, value in begin.items()}
    found = predict_many(tensors, episode.context, episode.bias, episode.targets, HEADS)
    for user in range(6):
        present = episode.bias[user] > -100
        known = read_context(
            begin,
            episode.context[user][present].numpy(),
            np.exp(episode.bias[user][present].numpy()),
            heads=HEADS,
        )
        expected = predict(begin, known, episode.targets[user].numpy(), heads=HEADS)[:, 0]
        np.testing.assert_allclose(found[user].numpy(), expected, atol=1e-5)


def test_every_other_user_is_asked_of_new_responses_only():
    rows = rows_of(40, 9)
    episode = split(rows, np.arange(40), np.random.default_rng(2), shots=2)
    for user in range(1, 40, 2):
        told = {tuple(row) for row in episode.context[user, :, :-1].numpy().tolist()}
        asked = episode.targets[user, :, :-1].numpy()
        there = np.tile(episode.weight[user].numpy() > 0, 2)
        new = not any(tuple(row) in told for row in asked[there].tolist())
        assert new or there.sum() == 14  # all seven others, where none is new


def test_labels_of_ties_are_nought():
    one = np.ones((1, 3), np.float32)
    tokens = labelled(one, 2 * one, np.array([0.5]))
    np.testing.assert_array_equal(tokens[:, -1], [0.0, 0.0])
    assert labelled(one, one, np.array([1.0]))[:, -1].tolist() == [1.0, -1.0]


def test_directions_are_those_in_which_users_differ():
    planted = plant(seed=5, shared=0.5, personal=2.0, users=200)
    space = token_space(planted.data, directions=2, keep=0.999, rng=np.random.default_rng(0))
    found = np.linalg.qr(space.projection[:, 1:].astype(float))[0]
    truth = np.linalg.svd(planted.tastes - planted.tastes.mean(0), full_matrices=False)[2][:2].T
    assert np.linalg.svd(found.T @ truth)[1].min() > 0.9


def test_it_starts_as_kernel_regression_on_labels():
    scale = np.array([0.0, 1.0, 2.0], np.float32)
    begin = start(scale, width=16, layers=1, heads=2, rng=np.random.default_rng(0))
    near = np.array([[0.0, 0.5, 1.0]], np.float32)
    known = read_context(begin, labelled(near, -near, np.ones(1)), np.ones(2, "f4"), heads=2)
    liked, disliked = predict(begin, known, unlabelled(np.concatenate([near, -near])), heads=2)
    assert liked[0] > 0.2 > -0.2 > disliked[0]


@pytest.fixture(scope="module")
def model():
    return GroupPreferenceOptimisation(width=32, layers=1, directions=6, steps=60)


@pytest.fixture(scope="module")
def fitted(model):
    planted = plant(seed=6, shared=0.4, personal=1.6, users=60)
    return planted, model.fit(planted.data, rng=np.random.default_rng(0))


def test_a_few_answers_beat_the_pooled_fit(model, fitted):
    planted, population = fitted
    pooled = BradleyTerry()
    base = pooled.fit(planted.data, rng=np.random.default_rng(0))
    people = model.infer_many(population, planted.support)
    right, flat = [], []
    for person, each in zip(people, planted.query, strict=True):
        right.append(model.logit(population, person, each.chosen, each.rejected).mean > 0)
        anyone = pooled.infer(base, each)
        flat.append(pooled.logit(base, anyone, each.chosen, each.rejected).mean > 0)
    assert population.meta["personal"]
    assert np.mean(right) > np.mean(flat) + 0.08


def test_weights_and_ties_are_respected(model, fitted):
    planted, population = fitted
    told = planted.support[0].take(range(6))
    a, b = planted.query[0].chosen, planted.query[0].rejected

    def logits(evidence):
        return model.logit(population, model.infer(population, evidence), a, b)

    doubled = Evidence(told.chosen, told.rejected, 2 * told.weight)
    twice = told.take([*range(6), *range(6)])
    np.testing.assert_allclose(logits(doubled).mean, logits(twice).mean, atol=1e-4)
    np.testing.assert_allclose(logits(doubled).std, logits(twice).std, atol=1e-4)
    swapped = Evidence(told.rejected, told.chosen, target=np.zeros(6, np.float32))
    np.testing.assert_allclose(logits(swapped).mean, logits(told).mean, atol=1e-4)


def test_without_personal_taste_it_is_the_pooled_fit(model):
    planted = plant(seed=7, shared=1.5, personal=0.0, users=40)
    population = model.fit(planted.data, rng=np.random.default_rng(0))
    pooled = BradleyTerry()
    base = pooled.fit(planted.data, rng=np.random.default_rng(0))
    each = planted.query[0]
    ours = model.infer(population, planted.support[0])
    found = model.logit(population, ours, each.chosen, each.rejected).probability()
    expected = pooled.logit(base, pooled.infer(base, each), each.chosen, each.rejected)
    np.testing.assert_allclose(found, expected.probability(), atol=0.05)


@pytest.mark.parametrize(
    "settings",
    [{"width": 30}, {"heads": 0}, {"layers": 0}, {"directions": 31}, {"steps": 0}, {"keep": 0.0}],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InvalidInputError):
        GroupPreferenceOptimisation(**settings)

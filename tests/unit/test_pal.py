"""PAL: the official forward pass, planted kinds of people, prompts, and what may go wrong."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from persona_engine.errors import FingerprintMismatchError, InvalidInputError
from persona_engine.modelling import softmax
from persona_engine.modelling.latent_users import KEPT
from persona_engine.testing import reward_model_checks
from persona_engine.types import Context, Evidence, PreferenceData
from persona_pal import Pal
from persona_pal.geometry import by_logits, places_of, reward
from persona_pal.network import network

OFFICIAL = json.loads((Path(__file__).parent / "pal_official.json").read_text())
WIDTH = 6
CHECKED = (
    "order_is_irrelevant",
    "update_agrees_with_infer",
    "spread_does_not_grow",
    "logit_is_antisymmetric",
    "personal_preference_is_found",
    "posterior_survives_storage",
    "users_do_not_leak",
)


def array(value):
    return np.array(value, np.float64)


def layers(name, nets):
    """Official layers as the plugin's arrays; several networks are stacked."""
    result = {}
    for place in range(len(nets[0])):
        weight = np.stack([array(net[place][0]).T for net in nets])
        bias = np.stack([array(net[place][1])[None] for net in nets])
        result[f"{name}{place}_weight"] = weight[0] if len(nets) == 1 else weight
        result[f"{name}{place}_bias"] = bias[0] if len(nets) == 1 else bias
    return result


def official_points(case, arrays):
    """Ideal points (n, d) and prototypes of the official case."""
    weights = softmax(array(OFFICIAL["user_logits"]))
    if "heads" in case:
        prototypes = network(arrays, "g", array(OFFICIAL["prompt"])).transpose(1, 0, 2)
        return weights, np.einsum("bk,bkd->bd", weights, prototypes), prototypes
    prototypes = network(arrays, "f", array(case["prototypes"]))
    return weights, weights @ prototypes, prototypes


@pytest.mark.parametrize("name", ["a_dist", "a_angle", "b_angle"])
def test_forward_equals_the_official_one(name):
    case = OFFICIAL[name]
    arrays = layers("f", [case["projector"]])
    arrays |= layers("g", case["heads"]) if "heads" in case else {}
    weights, points, prototypes = official_points(case, arrays)
    assert np.allclose(points, case["user_points"], atol=1e-5)
    metric = "dist" if name == "a_dist" else "angle"
    scale = 1.0 if metric == "dist" else case["scale"]
    left, right = (
        reward(
            metric, scale, places_of(network(arrays, "f", array(OFFICIAL[s])), prototypes), weights
        )
        for s in ("left", "right")
    )
    output = array(case["output"])[:, 0]
    if metric == "dist":  # the official one is positive where the right response is nearer
        assert np.allclose(right[0] - left[0], output, atol=1e-5)
    else:
        assert np.allclose(np.stack([left[0], right[0]], 1), output, atol=1e-5)


@pytest.mark.parametrize("metric", ["dist", "angle"])
def test_gradients_are_those_of_differences(metric):
    rng = np.random.default_rng(0)
    places = places_of(rng.normal(size=(5, 4)), rng.normal(size=(3, 4)))
    v = rng.normal(size=(5, 3))
    _, slope = reward(metric, 1.7, places, softmax(v))
    found = by_logits(slope, softmax(v))
    for k in range(3):
        step = 1e-6 * np.eye(3)[k]
        up, down = (reward(metric, 1.7, places, softmax(v + s))[0] for s in (step, -step))
        assert np.allclose(found[:, k], (up - down) / 2e-6, atol=1e-6)


def kinds(seed, *, users, pairs, flips=False):
    """Two kinds of people with opposite ideal points; with flips, opposite again by prompt."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), pairs)
    a, b = rng.normal(size=(2, len(user), WIDTH)).astype(np.float32)
    prompt = rng.choice([-1.0, 1.0], size=(len(user), 1)).astype(np.float32)
    ideal = np.where(user % 2 == 0, 3.0, -3.0)[:, None] * np.eye(WIDTH)[0]
    ideal = ideal * prompt if flips else ideal
    nearer = 2.0 * (np.linalg.norm(b - ideal, axis=1) - np.linalg.norm(a - ideal, axis=1))
    first = (rng.random(len(user)) < 1.0 / (1.0 + np.exp(-nearer)))[:, None]
    chosen, rejected = np.where(first, a, b), np.where(first, b, a)
    return PreferenceData(chosen, rejected, user, "planted", prompt=prompt)


def accuracy(model, population, data, shots):
    right = []
    for user in data.users:
        mine = data.evidence(int(user))
        posterior = model.infer(population, mine.take(np.arange(shots)))
        rest = mine.take(np.arange(shots, len(mine)))
        context = Context(prompt=rest.prompt)
        logit = model.logit(population, posterior, rest.chosen, rest.rejected, context=context)
        right.append((logit.mean > 0).mean())
    return float(np.mean(right))


@pytest.fixture(scope="module")
def population():
    return Pal().fit(kinds(0, users=80, pairs=20), rng=np.random.default_rng(0))


def test_kinds_are_told_apart_from_few_answers(population):
    later = kinds(1, users=30, pairs=40)
    assert population.meta["prototypes"] >= 2
    nothing, few = (accuracy(Pal(), population, later, shots) for shots in (0, 8))
    assert nothing < 0.65
    assert few > 0.75


def test_prompts_move_the_prototypes_of_pal_b():
    data, later = kinds(0, users=80, pairs=20, flips=True), kinds(1, users=30, pairs=40, flips=True)
    of_prompts, fixed = Pal(variant="B", prototypes=(2,)), Pal(prototypes=(2,))
    found = [
        accuracy(model, model.fit(data, rng=np.random.default_rng(0)), later, 8)
        for model in (of_prompts, fixed)
    ]
    assert found[0] > 0.72
    assert found[1] < 0.66


def test_pal_b_without_prompts_is_pal_a():
    data = kinds(0, users=40, pairs=10)
    bare = PreferenceData(data.chosen, data.rejected, data.user, "planted")
    first, second = (
        Pal(variant=variant, prototypes=(2,)).fit(bare, rng=np.random.default_rng(0))
        for variant in ("A", "B")
    )
    assert first.version == second.version


@pytest.mark.parametrize(
    "check",
    reward_model_checks(partial(Pal, variant="B", metric="angle", prototypes=(3,)), checks=CHECKED),
)
def test_the_other_variant_conforms(check):
    check()


def test_many_answers_are_folded(population):
    data = kinds(2, users=1, pairs=KEPT + 40)
    model, mine = Pal(), data.evidence(0)
    at_once = model.infer(population, mine)
    assert len(at_once.state["weight"]) == KEPT
    stepwise = model.update(population, model.infer(population, mine.take(np.arange(KEPT))),
                            mine.take(np.arange(KEPT, len(mine))))  # fmt: skip
    assert np.allclose(at_once.mean, stepwise.mean, atol=1e-3)
    again = model.update(population, at_once, Evidence.empty(WIDTH))
    assert np.allclose(again.mean, at_once.mean, atol=1e-3)


def test_a_tie_pulls_to_neither_side(population):
    a, b = np.eye(2, WIDTH, dtype=np.float32)[:, None] * 3
    half = np.float32([0.5])
    there, back = (
        Pal().infer(population, Evidence(x, y, target=half)) for x, y in ((a, b), (b, a))
    )
    assert np.allclose(there.mean, back.mean, atol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"variant": "C"},
        {"metric": "cosine"},
        {"prototypes": ()},
        {"prototypes": (0,)},
        {"width": 0},
        {"hidden": (0,)},
        {"keep": 0.0},
    ],
)
def test_wrong_settings_are_refused(settings):
    with pytest.raises(InvalidInputError, match=next(iter(settings))):
        Pal(**settings)


def test_foreign_populations_and_widths_are_refused(population):
    with pytest.raises(InvalidInputError, match="features have shape"):
        Pal().infer(population, Evidence.empty(WIDTH + 1))
    other = type(population)("other", population.fingerprint, population.arrays, population.meta)
    with pytest.raises(FingerprintMismatchError, match="other"):
        Pal().infer(other, Evidence.empty(WIDTH))

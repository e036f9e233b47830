"""Users as directions over named attributes: heads, prior, attention by prompt."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from persona_attributes import Attributes
from persona_engine.errors import InvalidInputError
from persona_engine.modelling import fit_attribute_heads
from persona_engine.onboarding import STYLES, in_words, load_shipped, tastes
from persona_engine.onboarding.shipped import shipped_root
from persona_engine.onboarding.synthetic_users import comparisons, draw_tastes
from persona_engine.types import AttributePairs, Context, Evidence, PreferenceData

WIDTH, USERS, ROWS = 24, 60, 12
NAMES = ("loud", "kind", "odd")


def planted(seed=0, *, prompts=False, spread=2.0, rows=ROWS, users=USERS):
    """Return comparisons of people who differ in named attributes, with pairs that show these.

    With prompts, each is about one of two subjects: the first makes only the first attribute
    count, the second only the second.
    """
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.normal(size=(WIDTH, len(NAMES))))[0].T  # (K, D)
    tastes = rng.normal(size=(users, len(NAMES))) * spread
    user = np.repeat(np.arange(users), rows)
    a, b = rng.normal(size=(2, len(user), WIDTH)).astype(np.float32)
    values = (a - b) @ directions.T  # (N, K)
    subject = rng.integers(2, size=len(user))
    if prompts:
        values[:, 2] = 0.0
        values[np.arange(len(user)), 1 - subject] = 0.0
    first = (rng.random(len(user)) < 1 / (1 + np.exp(-(values * tastes[user]).sum(1))))[:, None]
    prompt = np.eye(2)[subject] + 0.1 * rng.normal(size=(len(user), 2))
    data = PreferenceData(
        np.where(first, a, b),
        np.where(first, b, a),
        user,
        "planted",
        prompt=prompt.astype(np.float32) if prompts else None,
        attributes=pairs_of(directions, rng),
    )
    return data, directions, tastes


def pairs_of(directions, rng, count=24):
    found = []
    for name, direction in zip(NAMES, directions, strict=True):
        low = rng.normal(size=(count, WIDTH))
        high = low + 1.5 * direction + 0.15 * rng.normal(size=(count, WIDTH))
        found.append(AttributePairs(name, high.astype(np.float32), low.astype(np.float32)))
    return tuple(found)


def fit(data, **settings):
    model = Attributes(**settings)
    return model, model.fit(data, rng=np.random.default_rng(0))


def accuracy(model, population, data, directions, tastes, *, shots):
    """Return how often new comparisons of users are predicted after some of theirs."""
    rng = np.random.default_rng(9)
    right = []
    for user in range(len(tastes)):
        posterior = model.infer(population, data.evidence(user).take(range(shots)))
        a, b = rng.normal(size=(2, 40, WIDTH)).astype(np.float32)
        truth = (a - b) @ directions.T @ tastes[user] > 0
        right.append((model.logit(population, posterior, a, b).mean > 0) == truth)
    return float(np.mean(right))


def test_heads_find_attributes_and_keep_them_apart():
    data, directions, _ = planted()
    heads = fit_attribute_heads(data.attributes)
    assert heads.names == NAMES
    assert min(heads.accuracy) == 1.0
    shown = (data.attributes[0].high - data.attributes[0].low) @ heads.directions  # (M, K)
    assert shown[:, 0].mean() == pytest.approx(1.0, abs=0.2)
    assert np.abs(shown[:, 1:].mean(0)).max() < 0.25
    unit = heads.directions / np.linalg.norm(heads.directions, axis=0)
    assert np.diag(directions @ unit).min() > 0.7


def test_heads_of_one_attribute_that_features_hardly_show_stay_finite():
    rng = np.random.default_rng(0)
    high, low = rng.normal(size=(2, 5, WIDTH)).astype(np.float32)
    heads = fit_attribute_heads([AttributePairs("vague", high, low)])
    assert np.isfinite(heads.directions).all()


def test_a_persons_taste_is_found_in_few_answers_where_attributes_are_named():
    data, directions, _ = planted(users=30)
    model, population = fit(data)
    assert population.meta["named"]
    assert population.meta["spread"] > 0
    unseen, others = relabelled(directions, seed=1)
    named = accuracy(model, population, unseen, directions, others, shots=6)
    blind, blind_population = fit(replace(data, attributes=()))
    assert not blind_population.meta["named"]
    without = accuracy(blind, blind_population, unseen, directions, others, shots=6)
    assert named > 0.75
    assert named > without + 0.05


def relabelled(directions, seed, users=30, rows=6):
    """Return comparisons of other people who differ in the same attributes."""
    rng = np.random.default_rng(seed)
    tastes = 2.0 * rng.normal(size=(users, len(NAMES)))
    user = np.repeat(np.arange(users), rows)
    a, b = rng.normal(size=(2, len(user), WIDTH)).astype(np.float32)
    first = (((a - b) @ directions.T * tastes[user]).sum(1) > 0)[:, None]
    return PreferenceData(np.where(first, a, b), np.where(first, b, a), user, "planted"), tastes


def test_people_who_are_alike_get_the_pooled_reward():
    data, _, _ = planted(spread=0.0)
    shared = np.zeros(WIDTH, np.float32)
    shared[0] = 2.0
    towards = ((data.chosen - data.rejected) @ shared > 0)[:, None]
    alike = replace(
        data,
        chosen=np.where(towards, data.chosen, data.rejected),
        rejected=np.where(towards, data.rejected, data.chosen),
    )
    model, population = fit(alike)
    assert population.meta["spread"] == 0.0
    prior, known = (
        model.infer(population, alike.evidence(0).take(range(count))) for count in (0, ROWS)
    )
    a, b = alike.chosen[:9], alike.rejected[:9]
    left, right = (model.logit(population, each, a, b) for each in (prior, known))
    assert np.array_equal(left.mean, right.mean)
    assert (left.mean > 0).all()
    assert (left.std > 0).all()


def test_people_are_described_in_the_banks_styles():
    (folder,) = shipped_root().glob("hierarchical-*")
    fingerprint = json.loads((folder / "manifest.json").read_text())["fingerprint"]
    shipped = load_shipped("hierarchical", fingerprint)
    rng = np.random.default_rng(0)
    data = comparisons(
        draw_tastes(120, rng=rng),
        shipped.bank,
        asked=np.arange(128),
        answers=24,
        fingerprint=fingerprint,
        rng=rng,
    )
    model, population = fit(data)
    assert set(population.meta["attributes"]) == set(STYLES)
    assert min(population.meta["head_accuracy"].values()) > 0.8
    length = next(each for each in data.attributes if each.name == "length")
    brief = model.infer(population, Evidence(length.low[:4], length.high[:4]))
    said = tastes(model, population, brief, shipped.features)
    assert in_words(said, count=1).startswith("concise (+")


def test_attention_follows_the_prompt_and_is_left_out_where_none_is_given():
    data, directions, _ = planted(prompts=True, users=120, rows=16, spread=3.0)
    model, population = fit(data)
    assert population.meta["attention"]
    loud = directions[:1].astype(np.float32)
    fan = Evidence(
        np.repeat(loud, 6, 0), np.zeros((6, WIDTH), np.float32), prompt=prompt_of(0, rows=6)
    )
    posterior = model.infer(population, fan)
    zero = np.zeros_like(loud)

    def logit(prompt):
        context = None if prompt is None else Context(prompt=prompt)
        return float(model.logit(population, posterior, loud, zero, context=context).mean[0])

    asked, other = logit(prompt_of(0)[0]), logit(prompt_of(1)[0])
    assert asked > 2.0 * abs(other)
    assert other < logit(None) < asked
    assert logit(np.zeros(2, np.float32)) == logit(None)
    assert logit(prompt_of(0)) == pytest.approx(asked, abs=1e-5)
    scores = model.score(population, [posterior], loud, context=Context(prompt=prompt_of(0)[0]))
    assert np.isfinite(scores.mean).all()


def prompt_of(subject, rows=1):
    return np.repeat(np.eye(2, dtype=np.float32)[subject : subject + 1], rows, 0)


def test_attention_that_does_not_help_is_not_kept():
    data, _, _ = planted()
    noise = np.random.default_rng(3).normal(size=(len(data), 4)).astype(np.float32)
    _, population = fit(replace(data, prompt=noise))
    assert not population.meta["attention"]


def test_a_tie_teaches_that_the_difference_does_not_matter():
    data, directions, _ = planted()
    model, population = fit(data)
    loud = np.repeat(directions[:1].astype(np.float32), 4, 0)
    zero = np.zeros_like(loud)
    tie, clear = (
        model.infer(population, Evidence(2 * loud, zero, target=np.full(4, each, np.float32)))
        for each in (0.5, 1.0)
    )
    left, right = (model.logit(population, each, loud[:1], zero[:1]) for each in (tie, clear))
    assert abs(float(left.mean[0])) < 0.5 < float(right.mean[0])
    assert (
        left.std[0]
        < model.logit(
            population, model.infer(population, Evidence.empty(WIDTH)), loud[:1], zero[:1]
        ).std[0]
    )


@pytest.mark.parametrize(
    "settings", [{"unnamed": 0}, {"unnamed": 65}, {"folds": 1}, {"keep": 0.0}, {"keep": 1.1}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InvalidInputError):
        Attributes(**settings)


def test_labelled_pairs_must_fit_the_comparisons():
    data, _, _ = planted()
    one = np.ones((1, WIDTH), np.float32)
    with pytest.raises(InvalidInputError, match="at least one pair"):
        AttributePairs("none", one[:0], one[:0])
    with pytest.raises(InvalidInputError, match="shapes"):
        AttributePairs("loud", one, one[:, 1:])
    with pytest.raises(InvalidInputError, match="NaN"):
        AttributePairs("loud", one * np.nan, one)
    with pytest.raises(InvalidInputError, match="3 features, expected 24"):
        replace(data, attributes=(AttributePairs("loud", one[:, :3], one[:, :3]),))

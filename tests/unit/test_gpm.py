"""The general preference model: the official loss, cycles, prompts, people, and bad settings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from persona_bradley_terry import BradleyTerry
from persona_engine.errors import FingerprintMismatchError, InvalidInputError
from persona_engine.modelling import pair_loss, sigmoid
from persona_engine.types import Context, Evidence, PreferenceData
from persona_gpm import Gpm
from persona_gpm.blocks import block_scores, gates_of
from persona_gpm.reward_model import TAU

OFFICIAL = json.loads((Path(__file__).parent / "gpm_official.json").read_text())


def official(name):
    return np.array(OFFICIAL[name], np.float64)


def test_score_and_loss_equal_the_official_ones():
    scores = block_scores(official("chosen"), official("rejected")).sum(-1)
    assert OFFICIAL["tau"] == TAU
    assert np.allclose(scores, official("score"), atol=1e-5)
    losses = pair_loss(scores / TAU, np.ones(len(scores)))
    assert np.allclose(losses, official("loss_of_each"), atol=1e-5)
    assert abs(losses.mean() - OFFICIAL["loss"]) < 1e-5
    assert abs(sigmoid(scores / TAU).mean() - OFFICIAL["probability"]) < 1e-5


def test_gates_equal_the_official_ones():
    prompt = official("prompt")
    gates = gates_of(prompt / np.sqrt(prompt.shape[1]), official("prompt_head").T)
    assert np.allclose(gates, official("gates"), atol=1e-5)
    scores = (gates * block_scores(official("chosen"), official("rejected"))).sum(-1)
    assert np.allclose(scores, official("gated_score"), atol=1e-5)
    losses = pair_loss(scores / TAU, np.ones(len(scores)))
    assert abs(losses.mean() - OFFICIAL["gated_loss"]) < 1e-5


def cycles(seed, *, rows=1500, kinds=3, width=8):
    """Replies of kinds that beat one another in a circle, their features noisy."""
    rng = np.random.default_rng(seed)
    places = np.linalg.qr(np.random.default_rng(5).normal(size=(width, width)))[0][:kinds] * 2.0
    kind = rng.integers(kinds, size=rows)
    chosen = places[kind] + 0.3 * rng.normal(size=(rows, width))
    rejected = places[(kind + 1) % kinds] + 0.3 * rng.normal(size=(rows, width))
    user = np.arange(rows) % 50
    return PreferenceData(chosen.astype(np.float32), rejected.astype(np.float32), user, "planted")


def right(model, population, data, **context):
    anyone = model.infer(population, Evidence.empty(data.width))
    found = model.logit(population, anyone, data.chosen, data.rejected, **context)
    return float((found.mean > 0).mean())


@pytest.mark.parametrize("kinds", [3, 5])
def test_cycles_are_found_where_bradley_terry_is_at_chance(kinds):
    data, later = cycles(0, kinds=kinds), cycles(1, kinds=kinds)
    found = {
        model.name: right(model, model.fit(data, rng=np.random.default_rng(0)), later)
        for model in (Gpm(), BradleyTerry())
    }
    assert found["gpm"] >= 0.95
    assert 0.3 < found["bradley_terry"] < 0.7


def test_a_prompt_turns_the_circle_round():
    rng = np.random.default_rng(3)
    data, later = cycles(0), cycles(1)
    turned = []
    for each in (data, later):
        prompt = rng.choice([-1.0, 1.0], size=(len(each), 1)).astype(np.float32)
        first = prompt > 0
        turned.append(
            PreferenceData(
                np.where(first, each.chosen, each.rejected),
                np.where(first, each.rejected, each.chosen),
                *(each.user, "planted"),
                prompt=prompt,
            )
        )
    model = Gpm(blocks=(2,), personal=False)
    population = model.fit(turned[0], rng=np.random.default_rng(0))
    blind = right(model, population, turned[1])
    knowing = right(model, population, turned[1], context=Context(prompt=turned[1].prompt))
    assert knowing >= 0.9
    assert blind < 0.7


def test_people_may_go_round_in_opposite_directions():
    data = cycles(0)
    other = (data.user % 2 == 1)[:, None]
    mixed = PreferenceData(
        np.where(other, data.rejected, data.chosen),
        np.where(other, data.chosen, data.rejected),
        *(data.user, "planted"),
    )
    model, later = Gpm(), cycles(1, rows=300)
    population = model.fit(mixed, rng=np.random.default_rng(0))
    support = later.evidence_of_rows(np.arange(6))
    for forward in (True, False):
        mine = support if forward else Evidence(support.rejected, support.chosen)
        logit = model.logit(
            population, model.infer(population, mine), later.chosen, later.rejected
        ).mean
        assert ((logit > 0) == forward).mean() >= 0.95


def test_without_people_there_is_nothing_to_learn_of_one():
    model = Gpm(blocks=(1,), personal=False)
    population = model.fit(cycles(0, rows=300), rng=np.random.default_rng(0))
    known = model.infer(population, cycles(1, rows=5).evidence_of_rows(np.arange(5)))
    assert known.mean.shape == (0,)
    assert known.count == 5


@pytest.mark.parametrize("settings", [{"blocks": ()}, {"blocks": (0,)}, {"keep": 1.5}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(InvalidInputError, match=next(iter(settings))):
        Gpm(**settings)


def test_foreign_populations_and_widths_are_refused():
    model = Gpm(blocks=(1,), personal=False)
    population = model.fit(cycles(0, rows=100), rng=np.random.default_rng(0))
    with pytest.raises(InvalidInputError, match="features have shape"):
        model.infer(population, Evidence.empty(3))
    other = type(population)("other", population.fingerprint, population.arrays, population.meta)
    with pytest.raises(FingerprintMismatchError, match="other"):
        model.infer(other, Evidence.empty(8))

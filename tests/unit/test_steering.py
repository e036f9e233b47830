"""Steering by name: words, evidence, and exact removal on the population that ships."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from persona_engine import PersonaEngine
from persona_engine.attributes import Attributes
from persona_engine.config import EngineConfig
from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.onboarding import (
    STYLES,
    Attribute,
    bank_attributes,
    content_key,
    in_words,
    load_shipped,
    question_bank,
)
from persona_engine.onboarding.bank_features import sides
from persona_engine.plugins import discover
from persona_engine.types import Evidence, Scope, Taste

BANK = Attributes(bank_attributes())
ANN = Scope("default", "ann")


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_every_name_of_either_pole_steers(style):
    assert BANK.signed({style.name: 1}) == {style.name: 1.0}
    for word in (style.high, *style.high_words):
        assert BANK.signed({word: 0.5}) == {style.name: 0.5}
        assert BANK.resolve(word.upper().replace(" ", "-")) == (style.name, 1.0)
    for word in (style.low, *style.low_words):
        assert BANK.signed({word.replace(" ", "_"): 2}) == {style.name: -2.0}


def test_an_unknown_name_is_answered_with_the_known_and_the_nearest():
    with pytest.raises(InvalidInputError, match="'concize'; known are bottom_line") as caught:
        BANK.signed({"humour": 1, "concize": 1})
    assert "did you mean concise" in str(caught.value.remedy)
    assert "length (concise – detailed)" in caught.value.message


@pytest.mark.parametrize(
    "strengths",
    [
        {"concise": 1, "length": 1},
        {"concise": 11},
        {"concise": float("nan")},
        {"concise": True},
        {"concise": "1"},
        {"": 1},
    ],
)
def test_what_cannot_be_meant_is_refused(strengths):
    with pytest.raises(InvalidInputError):
        BANK.signed(strengths)


def test_a_strength_of_one_counts_as_four_answers():
    pairs = BANK.pairs_of({"length": -0.5, "gone": 3.0})
    assert sum(each.weight for each in pairs) == pytest.approx(2.0)
    assert {each.source for each in pairs} == {"steering"}
    assert all(len(each.chosen) < len(each.rejected) for each in pairs)
    assert BANK.pairs_of({}) == []


def test_steering_and_tastes_are_said_by_their_poles():
    assert BANK.in_words({"length": -1.0, "gone": -2.0}) == "gone -2, concise +1"
    tastes = [Taste("length", "concise", "detailed", -1.2, 0.3), Taste("x", "a", "b", 0.5, 1.0)]
    assert in_words(tastes) == "concise (+1.2 ± 0.3), b (+0.5 ± 1.0)"
    assert in_words(tastes, count=1) == "concise (+1.2 ± 0.3)"


def write(tmp_path, *rows):
    path = tmp_path / "attributes.jsonl"
    path.write_text(
        "".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in rows)
    )
    return path


PIRATE = {"attribute": "pirate", "high": "Arr, aye!", "low": "Yes.", "prompt": "Ready?"}


def test_a_host_adds_attributes_by_labelled_pairs(tmp_path):
    other = {"attribute": "Pirate", "high": "Ahoy!", "low": "Hello."}
    known = Attributes.known(write(tmp_path, PIRATE, "", other))
    assert [each.name for each in known.own] == ["pirate"]
    assert known.signed({"not pirate": 1, "concise": 1}) == {"pirate": -1.0, "length": -1.0}
    (first, second) = known.pairs_of({"pirate": 1.0})
    assert (first.prompt, first.chosen, first.rejected) == ("Ready?", "Arr, aye!", "Yes.")
    assert (second.prompt, second.chosen, second.weight) == ("", "Ahoy!", 2.0)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("{", "line 2"),
        ([1], "expected attribute, high, low"),
        ({"attribute": "a", "high": "b"}, "expected attribute, high, low"),
        ({**PIRATE, "extra": 1}, "expected attribute, high, low"),
        ({**PIRATE, "low": " "}, "low is blank"),
        ({**PIRATE, "prompt": 3}, "prompt is 3"),
        ({**PIRATE, "attribute": "concise"}, "'concise' names both"),
    ],
)
def test_a_bad_attribute_file_is_refused(tmp_path, row, why):
    with pytest.raises(ConfigError, match=why):
        Attributes.known(write(tmp_path, PIRATE, row))
    with pytest.raises(ConfigError, match="cannot read attributes"):
        Attributes.known(tmp_path / "absent.jsonl")


def test_steering_orders_held_out_questions_in_every_style():
    """Half of a style's pairs steer; the other half is ordered by it, either way round."""
    shipped = load_shipped("hierarchical", fingerprint())
    model, population, features = discover().create("reward_model", "hierarchical"), None, None
    population, features = shipped.population, shipped.features
    prior = model.infer(population, Evidence.empty(shipped.bank.low.shape[1]))
    moved = {}
    for each in bank_attributes():
        half = Attributes([Attribute(each.name, each.low, each.high, each.pairs[::2])])
        held_out = each.pairs[1::2]
        high = np.array([1.0 if pair.high == "a" else -1.0 for pair in held_out])
        for strength in (-1.0, 0.25, 1.0):
            steered = model.update(
                population, prior, evidence(half.pairs_of({each.name: strength}), features)
            )
            logit = model.logit(population, steered, *sides(held_out, features))
            moved[each.name, strength] = high * logit.mean
    for name in STYLES:
        weak, strong, other = (moved[name, each] for each in (0.25, 1.0, -1.0))
        assert (strong > 0).all()
        assert (other < 0).all()
        assert 0.0 < weak.mean() < strong.mean()


def fingerprint():
    from persona_engine.onboarding.shipped import shipped_root

    (folder,) = shipped_root().glob("hierarchical-*")
    return json.loads((folder / "manifest.json").read_text())["fingerprint"]


def evidence(pairs, features):
    chosen = [features[content_key(each.prompt, each.chosen)] for each in pairs]
    rejected = [features[content_key(each.prompt, each.rejected)] for each in pairs]
    weight = np.array([each.weight for each in pairs], np.float32)
    return Evidence(np.stack(chosen), np.stack(rejected), weight)


@pytest.fixture
def open_engine(tmp_path, sqlite_template, smollm2):
    """Open engines on one database, on the shipped population unless told otherwise."""
    shutil.copy(sqlite_template, tmp_path / "persona.db")
    opened = []

    def open_(**settings):
        config = EngineConfig(
            database=f"sqlite:///{tmp_path}/persona.db",
            generator=str(smollm2),
            data_folder=tmp_path / "index",
            population_refresh_seconds=0.0,
            **settings,
        )
        opened.append(PersonaEngine(config=config))
        return opened[-1]

    yield open_
    for engine in opened:
        engine.close()


@pytest.fixture
def engine(open_engine):
    return open_engine()


def taste(user, name):
    return next(each for each in user.profile().tastes if each.style == name)


def posterior(engine):
    return engine._runtime.learner.belief(ANN).posterior


def test_steering_adds_to_what_was_learned_and_is_taken_back_exactly(engine):
    ann = engine.user("ann")
    for asked in question_bank()[:24:8]:
        ann.prefer(asked, "a")
    before, learned = ann.profile(), posterior(engine)
    assert ann.steer(concise=+1, humour=-0.5) == {"humour": -0.5, "length": -1.0}
    assert ann.steer() == ann.profile().steering == {"humour": -0.5, "length": -1.0}
    assert taste(ann, "length").mean < min(-1.0, before.tastes[0].mean)
    assert taste(ann, "humour").mean < next(
        each.mean for each in before.tastes if each.style == "humour"
    )
    steered = posterior(engine)
    assert steered.count == learned.count == 3
    assert not np.array_equal(steered.mean, learned.mean)
    assert ann.steer(length=0, humour=None) == {}
    again = posterior(engine)
    assert np.array_equal(again.mean, learned.mean)
    assert np.array_equal(again.covariance, learned.covariance)
    assert ann.profile() == before


def test_feedback_is_learned_on_what_was_learned_not_on_steering(engine):
    ann, bob = engine.user("ann"), engine.user("bob")
    ann.steer(concise=2)
    for user in (ann, bob):
        user.prefer("warmth-01", "a")
    ann.steer(concise=0)
    wanted = engine._runtime.learner.belief(Scope("default", "bob")).posterior
    assert np.array_equal(posterior(engine).mean, wanted.mean)


def test_a_refused_wish_changes_nothing(engine):
    ann = engine.user("ann")
    ann.steer(concise=1)
    for wrong in ({"humour": 1, "concize": 1}, {"humour": 1, "length": float("inf")}):
        with pytest.raises(InvalidInputError):
            ann.steer(**wrong)
    assert ann.steer() == {"length": -1.0}
    assert engine.user("bob").steer() == {}


def test_steering_is_exported_imported_and_forgotten(engine):
    ann, bob = engine.user("ann"), engine.user("bob")
    ann.steer(concise=1)
    assert bob.import_(json.loads(json.dumps(ann.export()))) == 1
    assert bob.steer() == {"length": -1.0}
    assert taste(bob, "length").mean == pytest.approx(taste(ann, "length").mean)
    assert ann.forget().rows["steering"] == 1
    assert ann.steer() == {}
    assert ann.profile().tastes == ()


def test_an_attribute_that_the_host_took_away_is_left_out(tmp_path, open_engine):
    file = write(tmp_path, PIRATE)
    open_engine(attributes=file).store.user(ANN).steer({"pirate": 1.0, "length": -1.0})
    engine = open_engine()
    alone = engine.user("bob")
    alone.steer(concise=1)
    wanted = engine._runtime.learner.belief(Scope("default", "bob")).posterior
    assert np.array_equal(posterior(engine).mean, wanted.mean)
    with pytest.raises(InvalidInputError, match="'pirate'"):
        engine.user("ann").steer(pirate=1)
    assert engine.user("ann").steer(pirate=0) == {"length": -1.0}

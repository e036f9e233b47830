"""Posteriors always say what `infer` says of all events, whoever wrote which and when."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from persona_engine.errors import ConflictError, InvalidInputError, WeightsError
from persona_engine.onboarding import question_bank
from persona_engine.store import NewComparison
from persona_engine.types import Population, Scope

ANN = Scope("default", "ann")
BOB = Scope("default", "bob")
BANK = question_bank()


@pytest.fixture
def open_engine(tmp_path, sqlite_template, smollm2):
    """Open engines on one database; the default generator's folder unless told otherwise."""
    shutil.copy(sqlite_template, tmp_path / "persona.db")
    opened = []

    def open_(generator=smollm2, *, clock=None, **settings):
        config = EngineConfig(
            database=f"sqlite:///{tmp_path}/persona.db",
            generator=str(generator),
            data_folder=tmp_path / "index",
            population_refresh_seconds=0.0,
            **settings,
        )
        opened.append(PersonaEngine(config=config, **({"clock": clock} if clock else {})))
        return opened[-1]

    yield open_
    for engine in opened:
        engine.close()


@pytest.fixture
def engine(open_engine):
    return open_engine()


def learner_of(engine):
    return engine._runtime.learner


def belief_of(engine, scope=ANN):
    return learner_of(engine).belief(scope)


def inferred(engine, scope=ANN):
    """Return what the model infers from all events, by itself."""
    learner = learner_of(engine)
    events = engine.store.user(scope).comparisons()
    return learner.model.infer(
        learner.population(scope.tenant), learner.evidence(scope.tenant, events)
    )


def assert_same(posterior, wanted):
    assert posterior.count == wanted.count
    np.testing.assert_allclose(posterior.mean, wanted.mean, atol=2e-3)
    np.testing.assert_allclose(posterior.covariance, wanted.covariance, atol=2e-3)


def stored(engine, scope=ANN):
    population = learner_of(engine).population(scope.tenant)
    return engine.store.user(scope).posterior("hierarchical", population.version)


def pair(number, flip=False):
    asked = BANK[number]
    chosen, rejected = (asked.b, asked.a) if flip else (asked.a, asked.b)
    return NewComparison(asked.prompt, chosen, rejected)


def test_the_shipped_population_serves_the_default_generator(engine):
    population = learner_of(engine).population("default")
    assert population.reward_model == "hierarchical"
    assert population.fingerprint == learner_of(engine).features.encoder.fingerprint
    (row,) = engine.store.tenant("default").populations()
    assert (row.version, row.published) == (population.version, True)


def test_without_events_belief_is_the_prior_and_nothing_is_stored(engine):
    assert belief_of(engine).posterior.count == 0
    assert_same(belief_of(engine).posterior, inferred(engine))
    assert stored(engine) is None


def test_every_answer_leaves_the_posterior_of_all_events(engine):
    ann = engine.user("ann")
    for number in range(6):
        ann.prefer(BANK[number * 9], "a" if number % 2 else "b")
        posterior, _ = stored(engine)
        assert_same(posterior, inferred(engine))
    assert posterior.count == 6


def test_older_answers_fade_where_tastes_drift(open_engine):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    days = iter(range(0, 1000, 10))
    drifting = open_engine(clock=lambda: now + timedelta(days=next(days)), half_life_days=15.0)
    for number in range(4):
        drifting.user("ann").prefer(BANK[number * 9], "a")
        assert_same(belief_of(drifting).posterior, inferred(drifting))
    steady = inferred(open_engine())
    faded = belief_of(drifting).posterior
    assert np.linalg.det(faded.covariance) > 1.5 * np.linalg.det(steady.covariance)


def test_a_tie_teaches_that_the_difference_does_not_matter(engine):
    engine.user("ann").prefer(BANK[0], "a")
    engine.user("bob").prefer(BANK[0], "tie")
    population = learner_of(engine).population("default")
    asked = learner_of(engine).evidence("default", [pair(0)])
    ann, bob = (
        learner_of(engine).model.logit(
            population, belief_of(engine, who).posterior, asked.chosen, asked.rejected
        )
        for who in (ANN, BOB)
    )
    assert abs(bob.mean[0]) < ann.mean[0]
    (event,) = engine.store.user(BOB).comparisons()
    assert event.tie
    assert_same(belief_of(engine, BOB).posterior, inferred(engine, BOB))


def test_known_label_noise_pulls_harder(open_engine):
    noisy = open_engine(label_noise=0.2)
    for number in range(4):
        noisy.user("ann").prefer(BANK[number * 9], "a")
    plain = inferred(open_engine())
    assert np.linalg.norm(belief_of(noisy).posterior.mean) > np.linalg.norm(plain.mean)


def test_events_in_one_call_count_as_in_many(engine):
    learner_of(engine).record(ANN, [pair(1), pair(2), pair(3)])
    for number in (1, 2, 3):
        learner_of(engine).record(BOB, [pair(number)])
    assert_same(belief_of(engine).posterior, belief_of(engine, BOB).posterior)


def test_imported_events_are_learned_from_by_the_next_reader(engine):
    engine.import_comparisons(
        [
            {"user": "ann", "prompt": each.prompt, "chosen": each.a, "rejected": each.b}
            for each in BANK[:5]
        ]
    )
    assert stored(engine) is None
    assert_same(belief_of(engine).posterior, inferred(engine))
    assert stored(engine)[0].count == 5
    learner_of(engine).record(ANN, [pair(7)])
    assert_same(stored(engine)[0], inferred(engine))


def test_feedback_without_weights_is_kept_and_learned_from_later(open_engine, tmp_path, caplog):
    bare = open_engine(generator=tmp_path / "nowhere")
    with caplog.at_level(logging.WARNING, "persona_engine.learning"):
        bare.user("ann").compare("How?", BANK[0].a, BANK[0].b)
        bare.user("ann").prefer(BANK[0], "a")
    assert "kept, but not learned from yet" in caplog.text
    assert len(bare.store.user(ANN).comparisons()) == 2
    with pytest.raises(WeightsError):
        bare.user("ann").profile()
    bare.user("bob").prefer(BANK[3], "a")

    engine = open_engine()
    assert_same(
        belief_of(engine, BOB).posterior,
        inferred(engine, BOB),
    )
    assert belief_of(engine, BOB).posterior.count == 1


def test_an_idempotency_key_counts_once_and_for_one_content(engine):
    ann = engine.user("ann")
    first = ann.prefer(BANK[0], "a", idempotency_key="k")
    assert ann.prefer(BANK[0], "a", idempotency_key="k") == first
    assert stored(engine)[0].count == 1
    with pytest.raises(ConflictError, match="'k'"):
        ann.prefer(BANK[0], "b", idempotency_key="k")
    assert_same(stored(engine)[0], inferred(engine))
    engine.user("bob").prefer(BANK[0], "b", idempotency_key="k")
    assert engine.user("bob").profile().comparisons == 1


def test_two_engines_on_one_database_add_up(open_engine):
    one, two = open_engine(), open_engine()
    for number in range(4):
        learner_of((one, two)[number % 2]).record(ANN, [pair(number)])
    assert stored(one)[0].count == 4
    assert_same(belief_of(one).posterior, inferred(two))
    assert_same(belief_of(two).posterior, inferred(one))


def test_publishing_switches_every_engine_to_the_new_population(open_engine):
    one, two = open_engine(), open_engine()
    learner_of(one).record(ANN, [pair(0), pair(1)])
    old = learner_of(two).population("default")
    arrays = {name: np.array(value) for name, value in old.arrays.items()}
    new = Population(old.reward_model, old.fingerprint, arrays, {**old.meta, "round": 2})
    learner_of(one).publish("default", new, users=["ann"])
    for engine in (one, two):
        belief = belief_of(engine)
        assert belief.population.version == belief.posterior.population == new.version
        assert belief.posterior.count == 2
    assert_same(belief_of(two).posterior, inferred(two))
    assert learner_of(one).population("other").version == old.version
    assert engine.user("ann").forget().refit == (new.version,)


def test_a_damaged_posterior_is_built_again(engine, tmp_path, caplog):
    learner_of(engine).record(ANN, [pair(0), pair(1)])
    with sqlite3.connect(tmp_path / "persona.db") as raw:
        raw.execute("UPDATE posterior SET blob = x'00'")
    with caplog.at_level(logging.WARNING, "persona_engine.learning"):
        assert_same(belief_of(engine).posterior, inferred(engine))
    assert "built again" in caplog.text
    assert_same(stored(engine)[0], inferred(engine))
    with sqlite3.connect(tmp_path / "persona.db") as raw:
        raw.execute("UPDATE posterior SET blob = x'00'")
    learner_of(engine).record(ANN, [pair(2)])
    assert_same(belief_of(engine).posterior, inferred(engine))


@pytest.mark.parametrize(
    "bad",
    [
        {"chosen": " "},
        {"rejected": "a\ud800"},
        {"prompt": "a\0b"},
        {"weight": float("nan")},
        {"weight": True},
    ],
)
def test_one_bad_comparison_leaves_nothing_of_the_call(engine, bad):
    fields = {"prompt": "new?", "chosen": "yes", "rejected": "no", **bad}
    with pytest.raises(InvalidInputError):
        learner_of(engine).record(ANN, [pair(0), NewComparison(**fields)])
    assert engine.user("ann").export()["comparisons"] == []
    assert stored(engine) is None


def test_the_bank_needs_no_model(tmp_path, sqlite_template, smollm2):
    shutil.copy(sqlite_template, tmp_path / "persona.db")
    code = f"""
import sys
from datetime import UTC, datetime, timedelta
from persona_engine import PersonaEngine
engine = PersonaEngine("sqlite:///{tmp_path}/persona.db", generator={str(smollm2)!r})
for name, side in (("ann", "low"), ("bob", "high"), ("cat", "low")):
    user = engine.user(name)
    for asked in user.onboard(questions=4):
        high = asked.poles[min(asked.poles)]
        user.prefer(asked, high if side == "high" else ("a" if high == "b" else "b"))
ann = engine.user("ann")
assert ann.profile().comparisons == 4 and len(ann.profile().tastes) == 16
assert [each.user for each in ann.neighbours()] == ["cat", "bob"], ann.neighbours()
ranking = ann.rank(asked.prompt, [asked.a, asked.b])
assert ranking.personalized and sorted(ranking.order) == [0, 1]
print([name for name in ("torch", "transformers") if name in sys.modules])
"""
    environment = {"XDG_DATA_HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.stderr == ""
    assert done.stdout.strip() == "[]"

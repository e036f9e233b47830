"""Every step of the engine is told to its observer, and nothing to nobody."""

from __future__ import annotations

import contextlib
import contextvars
from collections import Counter

import numpy as np
import pytest

from persona_engine.interfaces import TextReward
from persona_engine.observing import SILENT, Observation
from persona_engine.timed_rewards import timed_reward
from persona_engine.types import Score
from tests.bigram_host import fitted, opened

ASK = [{"role": "user", "content": "Where shall we go ?"}]
INSIDE = contextvars.ContextVar("inside", default=())


class Notebook:
    """Writes down each step with those around it."""

    def __init__(self):
        self.spans, self.taken, self.counted = [], [], Counter()
        self.attributes = []

    @contextlib.contextmanager
    def span(self, step, **attributes):
        path = (*INSIDE.get(), step)
        before = INSIDE.set(path)
        self.spans.append("/".join(path))
        self.attributes.append(attributes)
        try:
            yield
        finally:
            INSIDE.reset(before)

    def took(self, step, seconds, **attributes):
        self.taken.append((step, seconds, attributes))

    def count(self, what, amount=1, **attributes):
        self.counted[what] += amount
        self.attributes.append(attributes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, sqlite_template):
    return fitted(tmp_path_factory.mktemp("observed"), sqlite_template)


@pytest.fixture
def engine(folder):
    with opened(folder) as engine:
        yield engine


@pytest.fixture
def notebook(engine):
    notes = Notebook()
    engine.observe(notes)
    return notes


def test_every_step_of_a_reply_is_told_in_its_place(engine, notebook):
    reply = engine.user("u1").chat(ASK)
    steps = [step.name for step in reply.trace.steps]
    assert steps == ["profile", "posterior", "route", "decode", "verify", "store"]
    for name in steps:
        assert f"reply/{name}" in notebook.spans
    assert "reply/store/database" in notebook.spans
    (reward,) = [each for each in notebook.taken if each[0] == "reward"]
    decode = next(step for step in reply.trace.steps if step.name == "decode")
    assert 0.0 < 1e3 * reward[1] < decode.milliseconds
    assert reward[2]["calls"] > 0
    assert notebook.counted["replies"] == 1
    assert notebook.counted["tokens"] == reply.trace.search.compute.token_steps > 0


def test_a_stream_is_told_as_part_of_what_its_reader_does(engine, notebook):
    with notebook.span("request"):
        list(engine.user("u1").stream(ASK))
    assert "request/reply/decode" in notebook.spans


def test_learning_ranking_and_personalizing_are_told(engine, notebook):
    person = engine.user("newcomer")
    person.compare("Where to?", "we go home", "we go out")
    person.rank("Where to?", ["we go home", "we go out"])
    person.personalize(ASK)
    assert {"learn", "learn/database", "learn/features"} <= set(notebook.spans)
    assert {"rank/profile", "rank/posterior", "rank/reward"} <= set(notebook.spans)
    assert {"personalize/profile", "personalize/route"} <= set(notebook.spans)
    assert notebook.counted["comparisons"] == 1


def test_neither_people_nor_texts_are_told(engine, notebook):
    person = engine.user("somebody-secret")
    person.compare("secret question", "we go home", "we go out")
    person.chat(ASK)
    told = repr((notebook.spans, notebook.taken, notebook.attributes))
    assert "secret" not in told
    assert "home" not in told


def test_an_observed_reply_is_the_same_reply(folder):
    with opened(folder) as engine:
        silent = [
            engine.user("u1").chat(ASK, seed=seed, decoding="blockwise").text for seed in (1, 2)
        ]
        engine.observe(Notebook())
        told = [
            engine.user("u1").chat(ASK, seed=seed, decoding="blockwise").text for seed in (1, 2)
        ]
        engine.observe(SILENT)
    assert told == silent


def test_silence_gives_back_what_it_was_given():
    reward = object()
    with timed_reward(reward, Observation()) as given:
        assert given is reward


def test_a_reward_that_reads_texts_stays_one():
    class Lengths:
        def of_texts(self, texts, features):
            return features, self

        def score(self, features):
            return Score(features[:, 0], features[:, 0])

        def logit(self, a, b):
            return Score(a[:, 0] - b[:, 0], a[:, 0])

    notes, observation = Notebook(), Observation()
    observation.passes_to(notes)
    with timed_reward(Lengths(), observation) as given:
        assert isinstance(given, TextReward)
        rows, known = given.of_texts(["a"], np.ones((1, 2), np.float32))
        assert known.score(rows).mean.tolist() == [1.0]
        assert not isinstance(known, TextReward)
    assert notes.taken[0][2] == {"calls": 2}

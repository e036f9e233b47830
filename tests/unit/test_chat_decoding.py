"""How `chat` is told to decode: by a decoder, a budget, and rewards; on the kit's bigram model."""

from __future__ import annotations

import numpy as np
import pytest

from persona_best_of_n import BestOfN
from persona_engine.decoding import plan as planning
from persona_engine.decoding.plan import Method
from persona_engine.errors import ConfigError, InvalidInputError, PluginError
from persona_engine.features import Text
from persona_engine.guiding import tells_apart
from persona_engine.onboarding import question_bank
from persona_engine.rewards import HostReward, Together
from persona_engine.testing import bigram_branches
from persona_engine.types import Question
from tests.bigram_host import fitted, opened

ASK = [{"role": "user", "content": "Where shall we go ?"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, sqlite_template):
    """A database with a population in the bigram model's features."""
    return fitted(tmp_path_factory.mktemp("bigrams"), sqlite_template)


@pytest.fixture
def engine(folder):
    with opened(folder) as engine:
        yield engine


@pytest.fixture
def someone(engine):
    """A person who loves to go home."""
    return engine.user("u1")


def homes(texts):
    return [5.0 * text.count("home") for text in texts]


def test_a_decoder_is_named_set_up_or_given(someone):
    for decoding in ("blockwise", ("blockwise", {"block": 2}), BestOfN(length_spread=0.0)):
        reply = someone.chat(ASK, decoding=decoding)
        name = getattr(decoding, "name", "blockwise")
        assert reply.trace.search.decoder == name
        assert reply.trace.search.plan == ""
        assert len(reply.trace.candidates) == 4


def test_the_configured_decoder_is_the_default(folder):
    with opened(folder, decoder="blockwise") as engine:
        user = engine.user("u1")
        assert user.chat(ASK).trace.search.decoder == "blockwise"
        assert user.chat(ASK, decoding="best_of_n").trace.search.decoder == "best_of_n"


@pytest.mark.parametrize("speak", ["chat", "stream"])
def test_what_names_no_decoder_is_an_error_at_once(someone, speak):
    with pytest.raises(PluginError, match=r"expected one of .*'best_of_n', 'blockwise'"):
        getattr(someone, speak)(ASK, decoding="worst_of_n")
    with pytest.raises(ConfigError, match="speed"):
        getattr(someone, speak)(ASK, decoding=("best_of_n", {"speed": 9}))
    for wrong in (7, ("best_of_n",), ("auto", {}), ("best_of_n", 3)):
        with pytest.raises(InvalidInputError, match="decoding is"):
            getattr(someone, speak)(ASK, decoding=wrong)


@pytest.mark.parametrize("wrong", ["soon", "0x", "0.5x", 0, -3.0, "0ms", True, float("nan")])
def test_what_is_no_budget_is_an_error(someone, wrong):
    with pytest.raises(InvalidInputError, match="budget is"):
        someone.chat(ASK, budget=wrong)


def test_a_share_of_plain_decoding_is_for_auto(someone):
    with pytest.raises(InvalidInputError, match="decoding='auto'"):
        someone.chat(ASK, decoding="best_of_n", budget="2x")


def test_time_ends_any_decoder_with_what_has_been_said(someone):
    reply = someone.chat(ASK, decoding="best_of_n", budget=1e-6)
    assert "was spent" in reply.trace.search.ended
    assert reply.text
    assert all(each.tokens <= 2 for each in reply.trace.candidates)
    stream = someone.stream(ASK, decoding="best_of_n", budget=1e-6)
    assert "".join(stream) == reply.text
    assert "Cut short: the budget of" in someone.explain(stream.reply.id).text


@pytest.fixture
def gains(monkeypatch):
    """Give ``auto`` two methods to choose from."""
    methods = (
        Method("best_of_n", 3, gain=0.5, rows=3.0),
        Method("blockwise", 4, gain=0.9, rows=400.0, settings={"block": 2}),
    )
    monkeypatch.setattr("persona_engine.choosing.measured_methods", lambda: methods)


def test_auto_spends_its_budget_on_what_gains_most(someone, gains, monkeypatch):
    cost = planning.CostModel(1.0, {1: 10.0, 400: 40.0}, reply_tokens=12)
    monkeypatch.setattr("persona_engine.decoding.cost.measure_cost", lambda generator: cost)
    little = someone.chat(ASK, decoding="auto", budget="1.2x").trace
    assert (little.search.decoder, len(little.candidates)) == ("best_of_n", 3)
    assert "3 candidates: gains most for the budget" in little.search.plan
    much = someone.chat(ASK, budget="9x").trace
    assert (much.search.decoder, len(much.candidates)) == ("blockwise", 4)
    none = someone.chat(ASK, budget="1x")
    assert len(none.trace.candidates) == 1
    assert "plain decoding" in none.trace.search.plan
    assert none.text == someone.chat(ASK, personal=False).text


def test_auto_decodes_plainly_where_nothing_is_known(engine, gains, monkeypatch):
    def measured(generator):
        raise AssertionError("nothing is measured where nothing is chosen")

    monkeypatch.setattr("persona_engine.decoding.cost.measure_cost", measured)
    stranger = engine.user("a stranger to auto")
    reply = stranger.chat(ASK, budget="9x")
    assert reply.text == stranger.chat(ASK, personal=False).text
    assert reply.trace.search.compute.token_steps <= 12
    assert "nothing is known to choose by" in reply.trace.search.plan


def test_a_posterior_that_tells_nothing_apart_is_not_searched_by(engine):
    lost, runtime = engine.user("of two minds"), engine._runtime
    lost.prefer(Question("own", "Where to?", "take the way home", "rest and think"), "tie")
    bank = [Text(each, q.prompt) for q in question_bank() for each in (q.a, q.b)]
    runtime.features.get("default", bank)
    belief = runtime.learner.belief(lost.scope, prompt=ASK)
    assert belief.informed
    assert not tells_apart(runtime.learner, "default", belief)
    known = runtime.learner.belief(engine.user("u1").scope, prompt=ASK)
    assert tells_apart(runtime.learner, "default", known)
    reply = lost.chat(ASK, seed=5)
    assert "cannot tell any two replies apart" in " ".join(reply.trace.skipped)
    assert reply.text == lost.chat(ASK, seed=5, personal=False).text
    assert len(reply.trace.candidates) == 1


def test_a_hosts_function_is_climbed(engine):
    stranger = engine.user("a stranger with a host")
    replies = [stranger.chat(ASK, seed=seed, candidates=8, reward=homes) for seed in range(6)]
    for reply in replies:
        counts = [each.text.count("home") for each in reply.trace.candidates]
        assert counts[0] == max(counts)
        assert "the host's reward (weight 1)" in reply.trace.reason
    assert any(reply.trace.personalized for reply in replies)
    unmoved = stranger.chat(ASK, seed=1, reward=lambda texts: [0.0] * len(texts))
    assert unmoved.text == stranger.chat(ASK, seed=1, personal=False).text


def test_a_sum_weighs_the_person_and_the_host(someone):
    alone = someone.chat(ASK, seed=2)
    doubled = someone.chat(ASK, seed=2, reward=[("user", 2.0)])
    rewards = {each.text: each.reward for each in alone.trace.candidates}
    for each in doubled.trace.candidates:
        assert each.reward == pytest.approx(2.0 * rewards[each.text], abs=1e-3)
    both = someone.chat(ASK, seed=2, reward=[("user", 1.0), (HostReward(homes), 2.0)])
    raw = {
        each.text: rewards[each.text] + 10.0 * each.text.count("home")
        for each in both.trace.candidates
    }
    mean = np.mean(list(raw.values()))
    for each in both.trace.candidates:
        assert each.reward == pytest.approx(raw[each.text] - mean, abs=1e-2)


def test_people_who_share_a_reply_are_one_reward(engine, someone):
    reply = someone.chat(ASK, reward=Together(["u1", "u2"]))
    assert "maxmin of u1, u2" in reply.trace.reason
    assert len(reply.trace.candidates) == 4
    strangers = someone.chat(ASK, reward=Together(["x1", "x2"]))
    assert any("no comparison by x1, x2" in each for each in strangers.trace.skipped)
    assert len(strangers.trace.candidates) == 1


def test_a_wrong_reward_is_an_error(someone):
    with pytest.raises(InvalidInputError, match="reward is"):
        someone.chat(ASK, reward="nobody")
    with pytest.raises(PluginError, match="finite numbers"):
        someone.chat(ASK, reward=lambda texts: None)


def test_leaving_a_stream_ends_decoding_and_stores_nothing(engine, someone, monkeypatch):
    kept = []
    monkeypatch.setattr(bigram_branches, "_draw", lambda *_: 1)  # a reply without an end
    monkeypatch.setattr(type(someone), "_keep", lambda self, *spoken: kept.append(spoken))
    stream = someone.stream(ASK, max_tokens=32_768, personal=False)
    for _ in stream:
        break
    assert not stream._thread.is_alive()
    assert kept == []

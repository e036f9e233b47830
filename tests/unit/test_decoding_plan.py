"""What decoding costs on a machine, and what a budget is best spent on."""

from __future__ import annotations

import itertools
import json

import pytest

from persona_engine.decoding.cost import CostBook, CostModel, measure_cost
from persona_engine.decoding.plan import (
    Allowance,
    Method,
    choose_plan,
    measured_methods,
    parse_allowance,
)
from persona_engine.plugins import discover
from persona_engine.testing import BigramGenerator
from persona_engine.types import Compute

COST = CostModel(0.5, {1: 30.0, 4: 36.0, 16: 60.0}, reply_tokens=100.0)
METHODS = (
    Method("two", 2, gain=0.3, rows=2.0),
    Method("eight", 8, gain=0.8, rows=8.0),
    Method("dear", 8, gain=0.8, rows=12.0),
    Method("twice", 2, gain=0.9, rows=4.0, forwards=2.0),
    Method("harm", 2, gain=-0.1, rows=1.0),
)


def plan(budget, methods=METHODS):
    return choose_plan(
        parse_allowance(budget), COST, prompt_tokens=40, max_tokens=50, methods=methods
    )


def ticking(step):
    times = itertools.count()
    return lambda: step * next(times)


def test_steps_between_and_beyond_what_was_measured():
    assert COST.step(1) == 30.0
    assert COST.step(2.5) == 33.0
    assert COST.step(10) == 48.0
    assert COST.step(28) == 84.0


def test_a_budget_buys_what_gains_most_of_what_it_pays_for():
    plain = 40 * 0.5 + 50 * 30.0
    assert plan("1x").method is None
    assert plan("1x").milliseconds == plan("1x").plain == plain
    assert plan("1.2x").method.decoder == "two"
    assert plan("1.5x").method.decoder == "eight"  # as much as "dear" gains, for less
    assert plan("3x").method.decoder == "twice"
    assert plan(1.0).method is None
    assert plan("2.5s").method.decoder == "eight"


def test_a_plan_says_what_it_should_cost():
    words = plan("1.5x").words
    assert "eight, 8 candidates" in words
    assert f"about {20 + 50 * 44:.0f} ms" in words
    assert "plain decoding" in plan("1x").words


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2x", Allowance(times=2.0)),
        (" 1.5 × ", Allowance(times=1.5)),
        ("800ms", Allowance(milliseconds=800.0)),
        ("0.8 s", Allowance(milliseconds=800.0)),
        ("800", Allowance(milliseconds=800.0)),
        (800, Allowance(milliseconds=800.0)),
    ],
)
def test_budgets_in_words(said, meant):
    assert parse_allowance(said) == meant


def test_costs_are_measured_by_the_clock():
    cost = measure_cost(BigramGenerator(), clock=ticking(0.25))
    assert cost.step_ms == {1: 250.0, 4: 250.0, 16: 250.0}
    assert cost.prefill_ms > 0
    assert cost.scale == 1.0


def test_costs_are_measured_once_for_a_model_and_a_machine(tmp_path, monkeypatch):
    measured = []

    def measure(generator):
        measured.append(generator.name)
        return COST

    monkeypatch.setattr("persona_engine.decoding.cost.measure_cost", measure)
    assert CostBook(tmp_path).find(BigramGenerator()) == COST
    again = CostBook(tmp_path)
    assert again.find(BigramGenerator()) == again.find(BigramGenerator()) == COST
    assert measured == ["bigram"]
    monkeypatch.setattr("platform.node", lambda: "another machine")
    CostBook(tmp_path).find(BigramGenerator())
    assert measured == ["bigram", "bigram"]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damaged", ["", "[]", '{"step_ms": {}}', '{"step_ms": {"1": -3}}'])
def test_a_damaged_file_is_measured_anew(tmp_path, monkeypatch, damaged):
    monkeypatch.setattr("persona_engine.decoding.cost.measure_cost", lambda generator: COST)
    CostBook(tmp_path).find(BigramGenerator())
    (file,) = tmp_path.iterdir()
    file.write_text(damaged)
    assert CostBook(tmp_path).find(BigramGenerator()) == COST
    assert json.loads(file.read_text())["prefill_ms"] == 0.5


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr("persona_engine.decoding.cost.measure_cost", lambda generator: COST)
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    book = CostBook(blocked)
    assert book.find(BigramGenerator()) == COST
    book.learn(BigramGenerator(), Compute(1, 1, 1, 1.0), prompt_tokens=1, reply_tokens=1)


def test_real_replies_refresh_the_costs(tmp_path, monkeypatch):
    monkeypatch.setattr("persona_engine.decoding.cost.measure_cost", lambda generator: COST)
    book, generator = CostBook(tmp_path), BigramGenerator()
    book.find(generator)
    spent = Compute(prompts=1, forwards=100, token_steps=100, seconds=6.04)  # twice what is told
    for _ in range(40):
        book.learn(generator, spent, prompt_tokens=40, reply_tokens=20)
    learned = CostBook(tmp_path).find(generator)
    assert learned.scale == pytest.approx(2.0, abs=0.05)
    assert learned.reply_tokens == pytest.approx(20.0, abs=2.0)
    held_up = COST.learned(Compute(1, 100, 100, seconds=900.0), prompt_tokens=40, reply_tokens=100)
    assert held_up.scale < 1.5


def test_the_table_that_is_shipped_names_decoders_that_are_installed():
    plugins = discover()
    for method in measured_methods():
        assert method.decoder in plugins.names("decoder")
        plugins.create("decoder", method.decoder, **method.settings)
        assert method.candidates >= 1
        assert method.rows >= 1.0

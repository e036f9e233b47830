"""Traces survive JSON, and are told in words with their numbers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from persona_engine.traces import explain, trace_from_json, trace_to_json
from persona_engine.types import Candidate, Instruction, SelectedInstruction, Step, Trace

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BRITISH = Instruction("i1", "Answer in British English.", NOON, valid_until=NOON.replace(year=2027))
PIRATE = Instruction("i2", "Talk like a pirate.", NOON, scope="jokes", supersedes="i0")
FULL = Trace(
    personalized=True,
    reason="best of 3",
    instructions=(
        SelectedInstruction(BRITISH, 0.93, True, "it applies to everything"),
        SelectedInstruction(PIRATE, 0.12, False, "nothing funny was asked"),
    ),
    candidates=(
        Candidate("Hello\n  there", 0.5, 0.25, 7, -3.5, edits=("case changed",)),
        Candidate("x" * 100, -0.5, 0.125, 9, None),
        Candidate(" ", None, None, 1),
    ),
    confidence=0.81,
    steps=(Step("decode", 12.34), Step("store", 0.56)),
    skipped=("the adapter: there is none",),
    reward_model="hierarchical",
    population="abc123",
)


def test_a_trace_survives_json():
    text = json.dumps(trace_to_json(FULL), allow_nan=False)
    assert trace_from_json(json.loads(text)) == FULL


def test_the_least_trace_survives_json():
    bare = Trace(personalized=False, reason="nothing is known")
    assert trace_from_json(json.loads(json.dumps(trace_to_json(bare)))) == bare


def test_an_explanation_gives_every_instruction_candidate_and_cost():
    lines = explain(FULL).text.splitlines()
    assert lines == [
        "This reply is personal: best of 3.",
        "Instruction used (applies with probability 0.93): 'Answer in British English.': "
        "it applies to everything.",
        "Instruction left out (applies with probability 0.12): 'Talk like a pirate.': "
        "nothing funny was asked.",
        "3 candidates were compared, best first:",
        "  1. reward +0.50 ± 0.25, 7 tokens: 'Hello there'",
        f"  2. reward -0.50 ± 0.12, 9 tokens: '{'x' * 59}…'",
        "  3. not scored, 1 tokens: ''",
        "The first is preferred to the second with probability 0.81.",
        "Put right: case changed.",
        "Reward model: hierarchical, population abc123.",
        "Skipped: the adapter: there is none.",
        "Time: decode 12.3 ms, store 0.6 ms.",
    ]


def test_an_explanation_carries_its_trace():
    assert explain(FULL).trace is FULL


def test_one_candidate_is_no_comparison():
    alone = Trace(False, "base", candidates=(Candidate("Hi", None, None, 1),))
    assert "No candidates were compared." in explain(alone).text

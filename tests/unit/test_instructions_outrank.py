"""What a higher source contradicts is left out; what it does not, stays."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from persona_engine.instructions.outrank import without_outranked
from persona_engine.plugins import discover
from persona_engine.testing.language import language_tools
from persona_engine.types import Instruction, SelectedInstruction

SAID = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def tools(minilm):
    return language_tools(discover().create("encoder", "sentence", weights=minilm))


def selected(text, source, *, used=True):
    return SelectedInstruction(Instruction(text, text, SAID, source=source), 0.9, used, "fits")


def used_of(judged, tools):
    return [each.instruction.text for each in without_outranked(judged, tools=tools) if each.used]


def test_an_operators_rule_outranks_the_users_words(tools):
    judged = [
        selected("Answer in French.", "user"),
        selected("Always answer in English.", "operator"),
        selected("Call me Sam.", "user"),
    ]
    assert used_of(judged, tools) == ["Always answer in English.", "Call me Sam."]
    (left_out,) = [each for each in without_outranked(judged, tools=tools) if not each.used]
    assert left_out.reason == "the operator's 'Always answer in English.' outranks it"


def test_the_users_words_outrank_what_was_induced(tools):
    judged = [
        selected("Give long and detailed answers.", "user"),
        selected("Keep replies short.", "induced"),
    ]
    assert used_of(judged, tools) == ["Give long and detailed answers."]


def test_what_is_not_used_outranks_nothing(tools):
    judged = [
        selected("Answer in French.", "user"),
        selected("Always answer in English.", "operator", used=False),
    ]
    assert used_of(judged, tools) == ["Answer in French."]


def test_one_source_is_left_as_it_is(tools):
    judged = (selected("Answer in French.", "user"), selected("Answer in English.", "user"))
    assert without_outranked(judged, tools=tools) == judged

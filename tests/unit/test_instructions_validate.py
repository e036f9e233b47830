"""What may be stored as an instruction."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_engine.errors import InvalidInputError
from persona_engine.instructions import LONGEST_TEXT, validate_instruction, validate_text
from persona_engine.types import Instruction

NOW = datetime(2026, 6, 1, tzinfo=UTC)
GOOD = Instruction("1", "Answer in British English.", NOW)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "blank"),
        (" \n\t ", "blank"),
        ("\u200b\u2060", "blank"),
        ("x" * (LONGEST_TEXT + 1), "2,001 characters"),
        ("a\0b", r"U\+0000 at position 1"),
        ("a\x1b[31m", r"U\+001B"),
        ("a\rb", r"U\+000D"),
        ("a\x85b", r"U\+0085"),
        ("a\ud800", "lone surrogate at position 1"),
        (None, "NoneType"),
        (b"bytes", "bytes"),
    ],
)
def test_texts_that_cannot_be_used(text, message):
    with pytest.raises(InvalidInputError, match=message):
        validate_text(text)


@pytest.mark.parametrize("text", ["x", "x" * LONGEST_TEXT, "a\n\tb", "用中文回答", "👩‍🚀 only"])
def test_texts_that_can(text):
    assert validate_text(text) == text


@given(st.text())
def test_accepted_text_is_encodable_trimmed_and_stable(text):
    try:
        accepted = validate_text(text)
    except InvalidInputError:
        return
    accepted.encode()
    assert accepted == accepted.strip()
    assert validate_text(accepted) == accepted


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trust": 1.5}, "trust is 1.5"),
        ({"trust": float("nan")}, "trust is nan"),
        ({"scope": " "}, "scope is blank"),
        ({"scope": "x" * 201}, "scope has 201 characters"),
        ({"valid_from": NOW.replace(tzinfo=None)}, "valid_from .* without a time zone"),
        ({"valid_from": NOW, "valid_until": NOW}, "expected later than valid_from"),
        ({"text": ""}, "blank"),
    ],
)
def test_instructions_that_cannot_be_used(fields, message):
    with pytest.raises(InvalidInputError, match=message):
        validate_instruction(replace(GOOD, **fields))


def test_instruction_as_it_is_stored():
    said = replace(GOOD, text=" Be brief.\r\n", scope=" e-mails ", valid_until=NOW + timedelta(1))
    stored = validate_instruction(said)
    assert stored == replace(said, text="Be brief.", scope="e-mails")
    assert validate_instruction(GOOD) == GOOD

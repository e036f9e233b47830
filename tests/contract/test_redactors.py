"""The conformance kit catches every wrong redactor, and passes the right one."""

from __future__ import annotations

import random
import re

import pytest

from persona_engine.errors import ConformanceError
from persona_engine.testing import CHECKS, check_redactor, redactor_checks
from persona_redaction import PersonalData

SAMPLES = [
    ("Write to ada@example.org, please.", "ada@example.org"),
    ("Call +44 20 7946 0958 or +43 660 1234567 today", "7946 0958"),
    ("Card 4111 1111 1111 1111", "4111 1111"),
    ("The key AKIAIOSFODNN7EXAMPLE is not valid", "AKIAIOSFODNN7EXAMPLE"),
]


class Unchanged(PersonalData):
    """Right."""


class FindsNothing(PersonalData):
    """Returns every text as it is."""

    def redact(self, text):
        return text


class OnlyAtTheStart(PersonalData):
    """Looks only at texts of one line."""

    def redact(self, text):
        return text if "\n" in text else super().redact(text)


class TakesTheLine(PersonalData):
    """Takes the rest of the text out with what it finds."""

    def redact(self, text):
        left = super().redact(text)
        return left if left == text else re.sub(r"(?s)\[[a-z-]+\].*", "[gone]", left)


class Tidies(PersonalData):
    """Puts spaces in order as well."""

    def redact(self, text):
        return " ".join(super().redact(text).split()) or text


class CountsUp(PersonalData):
    """Puts words there that it takes out the next time."""

    def redact(self, text):
        return super().redact(text.replace("[e-mail]", "[e-mail] x"))


class LeavesNothing(PersonalData):
    """Takes everything out of a text that has anything in it, and of strange ones."""

    def redact(self, text):
        return "" if text in ("@", "+") else super().redact(text)


class Draws(PersonalData):
    """Puts a random word in the place of what it finds."""

    def redact(self, text):
        left = super().redact(text)
        return re.sub(r"\[([a-z-]+)\]", lambda m: f"[{m[1]}-{random.random()}]", left)


class Remembers(PersonalData):
    """Numbers what it takes out."""

    def redact(self, text):
        left = super().redact(text)
        if left != text:
            self.count = getattr(self, "count", 0) + 1
            left = left.replace("]", f"-{self.count}]")
        return left


MUTANTS = {
    FindsNothing: "what_must_go_is_gone",
    OnlyAtTheStart: "what_must_go_is_gone",
    TakesTheLine: "the_rest_is_left",
    Tidies: "the_rest_is_left",
    CountsUp: "redacting_twice_changes_nothing",
    LeavesNothing: "something_is_left",
    Draws: "redacting_is_deterministic",
    Remembers: "redacting_is_deterministic",
}


@pytest.mark.parametrize("check", redactor_checks(PersonalData, samples=SAMPLES))
def test_the_first_redactor_conforms(check) -> None:
    check()


@pytest.mark.parametrize(("mutant", "check"), MUTANTS.items(), ids=str)
def test_the_mutant_is_caught(mutant, check) -> None:
    with pytest.raises(ConformanceError, match=f"does not pass '{check}'") as caught:
        check_redactor(mutant, samples=SAMPLES, checks=[check])
    assert caught.value.remedy


def test_every_check_catches_a_mutant() -> None:
    assert set(MUTANTS.values()) == set(CHECKS["redactor"])


def test_samples_are_needed() -> None:
    with pytest.raises(ConformanceError, match="there is no text to redact"):
        check_redactor(Unchanged, samples=[])

"""The first redactor: how much it finds and how much it takes too much, on texts made by hand."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from persona_engine.errors import ConfigError
from persona_redaction import KINDS, PersonalData

HERE = Path(__file__).parent
README = Path(__file__).parents[2] / "plugins" / "persona_redaction" / "README.md"
GOLD = re.compile(r"\{([a-z-]+)\|(.+?)\}")
WORD = re.compile(r"\[(key|e-mail|card|phone)\]")


def labelled() -> list[tuple[str, list[tuple[str, str]]]]:
    lines = (HERE / "redaction" / "labelled.txt").read_text().splitlines()
    kept = [line for line in lines if line and not line.startswith("#")]
    return [(GOLD.sub(r"\2", line), GOLD.findall(line)) for line in kept]


def taken_out(text: str, left: str) -> list[tuple[str, str]]:
    """Return what a redacted text lacks, each with the word that stands in its place."""
    found, at = [], 0
    parts = WORD.split(left)
    at = len(parts[0])
    for place in range(1, len(parts), 2):
        kind, after = parts[place], parts[place + 1]
        last = place + 2 == len(parts)
        end = len(text) - len(after) if last else text.index(after, at)
        found.append((kind, text[at:end]))
        at = end + len(after)
    return found


def figures(redactor: PersonalData) -> dict[str, tuple[int, int, int]]:
    """Return how many were found rightly, found at all, and there to be found, by kind."""
    counts = {kind: [0, 0, 0] for kind in KINDS}
    for text, gold in labelled():
        found = taken_out(text, redactor.redact(text))
        for kind, _ in gold:
            counts[kind][2] += 1
        for kind, value in found:
            counts[kind][1] += 1
            counts[kind][0] += (kind, value) in gold
    return {kind: (right, found, there) for kind, (right, found, there) in counts.items()}


def test_the_readme_has_the_figures() -> None:
    rows = []
    for kind, (right, found, there) in figures(PersonalData()).items():
        rows.append(
            f"| {kind} | {there} | {right / found:.2f} ({right}/{found}) "
            f"| {right / there:.2f} ({right}/{there}) |"
        )
    told = README.read_text()
    assert [row for row in rows if row not in told] == []


def test_another_country_finds_its_national_numbers() -> None:
    text = "My number without its country is 0660 1234567."
    assert PersonalData().redact(text) == text
    assert "[phone]" in PersonalData(regions=["AT"]).redact(text)


def test_kinds_can_be_left_out() -> None:
    text = "ada@example.org, +44 20 7946 0958"
    assert PersonalData(kinds=["phone"]).redact(text) == "ada@example.org, [phone]"
    assert PersonalData(kinds=["e-mail"]).redact(text) == "[e-mail], +44 20 7946 0958"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kinds": ["name"]}, r"kinds is \['name'\], expected some of key, e-mail, card, phone"),
        ({"kinds": []}, "kinds is"),
        ({"regions": ["XX"]}, r"regions is \['XX'\]"),
        ({"regions": "US"}, "regions is 'US'"),
    ],
)
def test_what_cannot_be_set(settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        PersonalData(**settings)


@pytest.mark.parametrize("text", ["1" * 50_000, "+1 " * 5_000, "a@" * 20_000, "a.b" * 30_000])
def test_long_texts_take_no_time_that_grows_with_their_square(text) -> None:
    redactor = PersonalData()
    redactor.redact(text[:100])
    start = time.process_time()
    redactor.redact(text)
    assert time.process_time() - start < 5.0

"""What is read off an instruction: topic, denial, condition, quantities."""

from __future__ import annotations

import pytest

from persona_engine.instructions.relations.text import read, stem


@pytest.mark.parametrize(
    ("text", "denies"),
    [
        ("Use emojis", False),
        ("Never use emojis", True),
        ("Don't use emojis anymore", True),
        ("I don't mind emojis", False),
        ("No more than 3 bullets", False),
        ("Don't forget to greet me", False),
        ("I no longer eat meat", True),
        ("Leave my name out of replies", True),
        ("Don't avoid emojis", False),
    ],
)
def test_denial_counts_words_that_deny(text, denies):
    assert read(text).denies is denies


@pytest.mark.parametrize(
    "text",
    [
        "Use bullet points",
        "No bullet points",
        "Please use bullet points from now on",
        "Bullet points are fine",
    ],
)
def test_topic_is_what_remains_without_asking_and_denying(text):
    assert read(text).topic == "bullet points"


@pytest.mark.parametrize(
    ("text", "condition", "topic"),
    [
        ("When I ask for recipes, use metric units", "when i ask for recipes", "metric units"),
        ("Use metric units when I ask for recipes.", "when i ask for recipes", "metric units"),
        ("For code questions, be brief", "for code questions", "brief"),
        ("Use metric units when you answer", "", "metric units"),
        ("Explain it as if I were five", "", "explain it as if i were five"),
    ],
)
def test_condition_is_split_off_unless_it_always_holds(text, condition, topic):
    reading = read(text)
    assert (reading.condition, reading.topic) == (condition, topic)


def test_scope_counts_as_condition():
    assert read("Use metric units", "recipes").condition_stems == {stem("recipes")}


def test_quantities_of_digits_and_words():
    assert read("At most 100 words").quantities == {100.0}
    assert read("I have two kids").quantities == read("I'm a parent of 2").quantities == {2.0}


@pytest.mark.parametrize(
    "text", ["I prefer tea over coffee", "I prefer tea to coffee", "Tea rather than coffee"]
)
def test_what_is_preferred_is_apart_from_what_is_rejected(text):
    reading = read(text)
    assert "tea" in reading.stems
    assert reading.rejected == {stem("coffee")}


def test_stems_join_spellings_and_plurals():
    assert stem("colours") == stem("colors") == stem("colour")
    assert stem("recipes") == stem("recipe")


@pytest.mark.parametrize(
    "text", ["😀", "please", "no", "Tea over coffee", "!!!", "日本語で答えて", "x" * 2000]
)
def test_topic_is_never_blank(text):
    assert read(text).topic.strip()

"""Merging and superseding with the real sentence encoder, as a person meets it."""

from __future__ import annotations

import pytest

from persona_engine import EngineConfig, PersonaEngine


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maintenance")
    config = EngineConfig(
        database=f"sqlite:///{folder}/maintenance.db", data_folder=folder, generator=None
    )
    with PersonaEngine(config=config) as made:
        yield made


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Keep it short", "Be concise"),
        ("I'm allergic to peanuts", "I have a peanut allergy"),
        ("Use bullet points", "Please use bullet points in your answers"),
        ("When I ask for recipes, use metric units", "Use metric units when I ask for recipes"),
    ],
)
def test_the_same_merges(engine, first, second):
    user = engine.user(f"same {first}")
    old = user.instruct(first)
    assert user.instruct(second).id == old.id
    assert user.instructions() == (old,)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Answer in British English", "Use American English from now on"),
        ("I live in Paris", "I moved to Berlin"),
        ("Emojis are fine", "never use emojis"),
        ("At most 100 words", "Under 50 words"),
        ("I live in Madrid", "I live in Rome now"),
        ("I'm vegan", "I eat meat again"),
        ("window seat", "aisle seat"),
        ("Use bullet points", "Forget what I said about bullet points"),
    ],
)
def test_an_update_supersedes_and_can_be_undone(engine, first, second):
    user = engine.user(f"update {first}")
    old, new = user.instruct(first), user.instruct(second)
    assert [each.id for each in user.instructions()] == [new.id]
    assert {each.id: each.status for each in user.history()}[old.id] == "superseded"
    user.undo(new.id)
    assert [each.id for each in user.instructions()] == [old.id]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Answer in British English", "Use metric units"),
        ("I'm vegan", "I am allergic to nuts"),
        ("I have two kids", "I have a dog"),
        ("When I ask for recipes, use metric units", "When I ask for code, use Python"),
        ("Use metric units", "When I ask for recipes, use cups"),
    ],
)
def test_the_rest_is_left_alone(engine, first, second):
    user = engine.user(f"apart {first}")
    said = [user.instruct(first).id, user.instruct(second).id]
    assert [each.id for each in user.instructions()] == said

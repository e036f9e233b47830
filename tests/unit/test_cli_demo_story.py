"""The demo's story: answers follow declared tastes, checks can fail."""

from __future__ import annotations

import pytest

from persona_engine.cli.demo.checks import CHECKS
from persona_engine.cli.demo.story import load_story
from persona_engine.onboarding import STYLES, question_bank, replies


def test_the_story_refers_to_what_exists():
    story = load_story()
    names = [person.name for person in story.people]
    assert len(story.asks) == 3
    assert {story.instructor, story.corrector} <= set(names)
    assert story.check in CHECKS
    assert all(set(person.tastes) <= set(STYLES) for person in story.people)
    assert all(set(person.tastes.values()) <= {"low", "high"} for person in story.people)


def test_answers_follow_the_declared_pole_on_every_question_of_the_bank():
    for person in load_story().people:
        for question in question_bank():
            pole = person.tastes.get(question.style)
            chosen = question.a if person.answer(question) == "a" else question.b
            low, high = replies(question)
            if pole is not None:
                assert chosen == {"low": low, "high": high}[pole]
            else:
                lengths = [len(low.split()), len(high.split())]
                wanted = min(lengths) if person.reads == "short" else max(lengths)
                assert len(chosen.split()) == wanted


def test_the_two_people_disagree_on_length():
    ada, ben = load_story().people
    lengths = [question for question in question_bank() if question.style == "length"]
    assert lengths
    assert all(ada.answer(question) != ben.answer(question) for question in lengths)


@pytest.mark.parametrize(
    ("check", "text", "holds"),
    [
        ("one_sentence", "Rest well.", True),
        ("one_sentence", " Rest 8.5 hours, then run 10 km! ", True),
        ("one_sentence", "Walk, then run", True),
        ("one_sentence", "Rest. Then run.", False),
        ("one_sentence", "“Rest!” Then run.", False),
        ("one_sentence", "Rest\nRun", False),
        ("one_sentence", " \n", False),
    ],
)
def test_checks(check, text, holds):
    assert CHECKS[check](text) is holds

"""The story of the demo as values, read from ``story.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

from persona_engine.cli.output import words

if TYPE_CHECKING:
    from persona_engine.types import Question

Pole = Literal["low", "high"]
Side = Literal["a", "b"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the story.

    Args:
        name: Also the user's name in the store.
        wants: Their taste in words.
        reads: Which of two replies they take where they have no declared taste.
        tastes: Preferred pole by style.
    """

    name: str
    wants: str
    reads: Literal["short", "long"]
    tastes: Mapping[str, Pole]

    def answer(self, question: Question) -> Side:
        """Return the side that fits more of their declared tastes, else the one of their length.

        Examples:
            >>> from persona_engine.types import Question
            >>> ada = Person("ada", "concise", "short", {"warmth": "low"})
            >>> ada.answer(Question("warmth-01", "…", "Oh!", "Rest.", style="warmth", high="a"))
            'b'
            >>> ada.answer(Question("x", "…", "Yes.", "Yes, by all means."))
            'a'
        """
        votes = {"a": 0, "b": 0}
        for style, high in question.poles.items():
            pole = self.tastes.get(style)
            if pole is not None:
                votes["a" if (high == "a") == (pole == "high") else "b"] += 1
        if votes["a"] != votes["b"]:
            return "a" if votes["a"] > votes["b"] else "b"
        shorter: Side = "a" if words(question.a) <= words(question.b) else "b"
        longer: Side = "b" if shorter == "a" else "a"
        return shorter if self.reads == "short" else longer


@dataclass(frozen=True, slots=True)
class Story:
    """Who takes part and what they do.

    Args:
        questions: How many comparisons each answers at first.
        asks: What both ask.
        people: The two people.
        instructor: Name of the person who gives the standing instruction.
        instruction: Its words.
        check: Name of the check that says whether a reply keeps to it.
        corrector: Name of the person who corrects a reply.
    """

    questions: int
    asks: tuple[str, ...]
    people: tuple[Person, Person]
    instructor: str
    instruction: str
    check: str
    corrector: str

    def person(self, name: str) -> Person:
        """Return a person by name."""
        return next(each for each in self.people if each.name == name)


@cache
def load_story() -> Story:
    """Return the story that comes with the package.

    Examples:
        >>> [person.name for person in load_story().people]
        ['ada', 'ben']
    """
    text = (resources.files(__package__) / "story.toml").read_text("utf-8")
    data: dict[str, Any] = tomllib.loads(text)
    first, second = (Person(**each) for each in data["people"])
    return Story(
        questions=data["questions"],
        asks=tuple(data["asks"]),
        people=(first, second),
        instructor=data["instruction"]["person"],
        instruction=data["instruction"]["text"],
        check=data["instruction"]["check"],
        corrector=data["correction"]["person"],
    )

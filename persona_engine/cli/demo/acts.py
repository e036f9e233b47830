"""What happens in the demo: one value for each act, and the document that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from persona_engine.cli.demo.story import Side
    from persona_engine.types import Instruction, Profile, Question, Receipt, Trace


@dataclass(frozen=True, slots=True)
class Said:
    """A reply as the demo shows it.

    Args:
        id: Its id.
        text: Its text.
        words: How many words it has.
        seconds: How long the whole call took.
        keeps_instruction: Whether it keeps to the instruction of the story.
        trace: Why it is what it is.
    """

    id: str
    text: str
    words: int
    seconds: float
    keeps_instruction: bool
    trace: Trace


@dataclass(frozen=True, slots=True)
class Answered:
    """One question of the onboarding and what the person chose."""

    question: Question
    choice: Side


@dataclass(frozen=True, slots=True)
class Onboarding:
    """What one person answered, and what is believed about them afterwards."""

    person: str
    wants: str
    answers: tuple[Answered, ...]
    profile: Profile


@dataclass(frozen=True, slots=True)
class Instructed:
    """The standing instruction that one person gave."""

    person: str
    instruction: Instruction


@dataclass(frozen=True, slots=True)
class Asked:
    """The same request, answered for nobody and for each person."""

    prompt: str
    base: Said
    personal: dict[str, Said]


@dataclass(frozen=True, slots=True)
class Kept:
    """How many replies kept to the instruction, by program."""

    person: str
    instruction: str
    check: str
    asked: int
    personal: int
    base: int


@dataclass(frozen=True, slots=True)
class Corrected:
    """A correction and the reply to the same request, drawn with the same seed, after it.

    Args:
        person: Who corrected.
        prompt: The request.
        before: The reply that was corrected.
        rank: Place among the candidates, from 0, of what the person would have liked instead.
        liked: Its text.
        comparisons: How many comparisons were learned from that.
        after: The reply after it.
        changed: Whether it is another reply than before.
        as_liked: Whether it is the text that the person would have liked.
    """

    person: str
    prompt: str
    before: Said
    rank: int
    liked: str
    comparisons: int
    after: Said
    changed: bool
    as_liked: bool


@dataclass(frozen=True, slots=True)
class Farewell:
    """Everything kept about a person, and the proof that it is gone."""

    person: str
    document: dict[str, Any]
    receipt: Receipt
    comparisons_left: int


Act: TypeAlias = Onboarding | Instructed | Asked | Kept | Corrected | Farewell


def as_document(acts: Sequence[Act]) -> dict[str, Any]:
    """Return the acts of one run under their names, for programs to read."""
    document: dict[str, Any] = {"onboarding": [], "requests": []}
    for act in acts:
        match act:
            case Onboarding():
                document["onboarding"].append(act)
            case Asked():
                document["requests"].append(act)
            case Instructed():
                document["instruction"] = act
            case Kept():
                document["instruction_kept"] = act
            case Corrected():
                document["correction"] = act
            case Farewell():
                document["farewell"] = act
    return document

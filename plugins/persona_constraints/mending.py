"""Puts a reply right where an editor could: deterministic edits, each told in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from persona_constraints.amounts import (
    Count,
    DividedParagraphs,
    Each,
    Letter,
    Mentions,
    Sections,
)
from persona_constraints.editors import EDITS, Material
from persona_constraints.outcome import Constraint
from persona_constraints.shape import (
    Alternatives,
    Case,
    Closes,
    Json,
    OneOf,
    Opens,
    Postscript,
    Quoted,
    RepeatsRequest,
    Spelling,
)
from persona_engine.types import Mending


def mend(
    constraints: Sequence[Constraint], reply: str, prompt: str, *, other: str = ""
) -> Mending | None:
    """Return the reply with broken constraints mended, or None where nothing can be.

    Edits cut, join, mark, re-case and put in what the instruction itself gives (a phrase, the
    request); they write nothing of their own. They go from the words outwards: what is said, then
    its layout, then its ends, then what stands around the whole. Constraints that no edit can mend
    stay broken, and an edit after which no more constraints hold than before is not made.

    Args:
        constraints: All that are to hold, of every instruction in use.
        reply: What the model wrote.
        prompt: The user's last message.
        other: Another reply, for instructions that want two.
    """
    if not reply.strip():
        return None
    text, done = reply, []
    kept = _kept(constraints, text, prompt)
    reserved = " ".join(each.phrase for each in constraints if isinstance(each, Opens | Closes))
    for constraint in sorted(constraints, key=_rank):
        edit = EDITS.get(type(constraint))
        if edit is None or constraint.holds(text, prompt).holds:
            continue
        changed = edit(constraint, Material(text, prompt, other, reserved))
        now = _kept(constraints, changed, prompt) if changed.strip() else 0
        if now > kept:
            text, kept = changed, now
            done.append(_in_words(constraint))
    return Mending(text, tuple(done)) if done else None


def _kept(constraints: Sequence[Constraint], text: str, prompt: str) -> int:
    return sum(each.holds(text, prompt).holds for each in constraints)


_NOTES: Mapping[type, str] = MappingProxyType(
    {
        Mentions: "sentences with unwanted words left out",
        Letter: "signs left out",
        DividedParagraphs: "paragraphs divided by ***",
        Sections: "sections marked",
        Alternatives: "two candidates put together",
        Opens: "the beginning put right",
        Closes: "the ending put right",
        Case: "case changed",
        Spelling: "spelling changed",
        Json: "put into JSON",
        OneOf: "the option that it names put in its place",
        RepeatsRequest: "the request repeated before it",
        Postscript: "its last part marked as a postscript",
        Quoted: "put into quotation marks",
        Each: "paragraphs parted",
    }
)
# From what is said to what stands around it.
_RANKS = (Alternatives, OneOf, Mentions, Spelling, Letter, Count, Each, DividedParagraphs, Sections)
_OUTER = (RepeatsRequest, Opens, Postscript, Closes, Case, Json, Quoted)
_INNER_UNITS = ("words", "characters", "sentences")
_LATE_UNITS = ("titles", "highlights")


def _rank(constraint: Constraint) -> tuple[int, int]:
    """Return when a constraint's turn is: signs go before lengths, marks come after layout."""
    kinds = (*_RANKS, *_OUTER)
    kind = type(constraint)
    place = kinds.index(kind) if kind in kinds else len(kinds)
    if not isinstance(constraint, Count):
        return place, 0
    if constraint.unit in _LATE_UNITS:
        return kinds.index(RepeatsRequest), -1
    return place, 0 if constraint.bounds.most == 0 else 1 + (constraint.unit not in _INNER_UNITS)


def _in_words(constraint: Constraint) -> str:
    if isinstance(constraint, Count):
        return f"{constraint.unit} edited to {constraint.bounds}"
    return _NOTES[type(constraint)]

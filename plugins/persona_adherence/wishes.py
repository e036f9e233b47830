"""Reads out of an instruction what is wanted and what is unwanted.

A scan from left to right that keeps a sign, as polarity shifters do in sentiment analysis (Polanyi
and Zaenen 2006, "Contextual Valence Shifters"): a cue such as "avoid" makes what follows unwanted,
"prefer" wanted, and a negation inside what is unwanted ("shows that aren't funny") turns it round.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from persona_adherence.cues import any_of

_CLAUSE = (
    r"[.;:!?\n]|, (?:so|and i|but|as|since|because|which)\b|\b(?:but|however|although|though|so)\b"
)
_SCANNER = re.compile(
    rf"(?P<stop>{_CLAUSE})"
    rf"|\b(?:(?P<why>{any_of('why')})|(?P<liked_anyway>{any_of('liked_anyway')})"
    rf"|(?P<disliked>{any_of('disliked')})|(?P<negation>{any_of('negation')})"
    rf"|(?P<liked>{any_of('liked')}))\b",
    re.IGNORECASE,
)
_EXCEPT = re.compile(any_of("except"), re.IGNORECASE)
_TOO = re.compile(r"\b(?:too|overly|excessively|excessive) ", re.IGNORECASE)
_IDLE = re.compile(rf"^(?:\W|\b(?:{any_of('idle')})\b)+", re.IGNORECASE)
_TAIL = re.compile(
    r"(?:[\s,]|\b(?:and|or|that|which|who|is|are|i|please|either|at all|with|as|the|a|if)\b)+$",
    re.IGNORECASE,
)
_WHY_FIRST = re.compile(rf"^\W*(?:{any_of('why')})\b[^,;.]*,\s*(?=\S)", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_QUOTES = " ,'\"()-–—"


@dataclass(frozen=True, slots=True)
class Span:
    """A part of an instruction.

    Args:
        text: Its words.
        sign: 1 for wanted, -1 for unwanted.
        cued: Whether a word said so; without one, a part counts as wanted.
    """

    text: str
    sign: int
    cued: bool


@lru_cache(maxsize=4096)
def parse(instruction: str) -> tuple[Span, ...]:
    """Return the wanted and unwanted parts of an instruction, in its order.

    Examples:
        >>> [(span.text, span.sign) for span in parse("I prefer tea over coffee.")]
        [('tea', 1), ('coffee', -1)]
        >>> [(span.text, span.sign) for span in parse("I avoid shows that aren't funny.")]
        [('funny', 1)]
    """
    instruction = _WHY_FIRST.sub("", instruction)
    found: list[Span] = []
    idle: list[Span] = []
    state, at = _State(), 0
    for match in [*_SCANNER.finditer(instruction), None]:
        words = instruction[at : match.start() if match else len(instruction)].strip(_QUOTES)
        text = _trim(words)
        if text and not state.why:
            found.append(Span(text, state.sign, state.cued))
        elif _LETTER.search(words) and not state.why:
            idle.append(Span(words, state.sign, state.cued))
        if match is None:
            break
        at = match.end()
        if _turns_round(match, state) and text and found:
            found.pop()  # what lacks the wanted thing is not itself unwanted
        state = _after(match.lastgroup or "", state, adjacent=not text)
    return _told_apart(found or idle[-1:])


@dataclass(frozen=True, slots=True)
class _State:
    """Where the scan stands: the sign, whether a word set it, whether a reason is being given."""

    sign: int = 1
    cued: bool = False
    why: bool = False


def _after(cue: str, state: _State, *, adjacent: bool) -> _State:
    """Return the state behind a cue; an adjacent one has no words between it and the one before."""
    if cue == "stop":
        return _State()
    if cue == "why" or state.why:
        return replace(state, why=True)
    unwanted = state.cued and state.sign < 0
    if cue == "liked":
        return _State(-1 if unwanted and adjacent else 1, cued=True)
    if cue == "liked_anyway" or (cue == "negation" and unwanted):
        return _State(1, cued=True)
    return _State(-1, cued=True)


def _turns_round(match: re.Match[str], state: _State) -> bool:
    """Say whether a negation is inside what is unwanted, such as "films without a story"."""
    inside = match.lastgroup == "negation" and state.cued and state.sign < 0 and not state.why
    return inside and not _EXCEPT.match(match.group())


def _told_apart(found: list[Span]) -> tuple[Span, ...]:
    """Drop what no cue is about where something else has one."""
    cued = [span for span in found if span.cued]
    return tuple(cued or found)


def _trim(text: str) -> str:
    return _TAIL.sub("", _IDLE.sub("", _TOO.sub("", text).strip(_QUOTES))).strip(_QUOTES)

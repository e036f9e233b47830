"""Constraints on how many of something a reply has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from persona_constraints.bounds import Bounds
from persona_constraints.counting import BULLET, UNITS, bullet_items, lines, paragraphs
from persona_constraints.outcome import Outcome
from persona_constraints.sentences import split_sentences

_PARTS: Mapping[str, Callable[[str], Sequence[str]]] = {
    "sentence": split_sentences,
    "paragraph": paragraphs,
    "line": lines,
    "bullet point": lambda text: [BULLET.sub("x", each) for each in bullet_items(text)],
}


@dataclass(frozen=True, slots=True)
class Count:
    """So many of a unit in the reply.

    Args:
        unit: A key of `persona_constraints.counting.UNITS`.
        bounds: How many.

    Examples:
        >>> Count("sentences", Bounds(most=1)).holds("Yes. It is.", "Is it?")
        Outcome(holds=False, reason='2 sentences, at most 1 wanted')
    """

    unit: str
    bounds: Bounds

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        count = UNITS[self.unit](reply)
        return Outcome(count in self.bounds, f"{count} {self.unit}, {self.bounds} wanted")


@dataclass(frozen=True, slots=True)
class Each:
    """So many of a unit in every part: "no sentence longer than 20 words".

    Args:
        part: ``sentence``, ``paragraph``, ``line`` or ``bullet point``.
        unit: A key of `persona_constraints.counting.UNITS`.
        bounds: How many in each.
    """

    part: str
    unit: str
    bounds: Bounds

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply; one without such parts keeps it."""
        counts = [UNITS[self.unit](each) for each in _PARTS[self.part](reply)]
        wrong = [count for count in counts if count not in self.bounds]
        if not wrong:
            return Outcome(True, f"every {self.part} has {self.bounds} {self.unit}")
        return Outcome(False, f"a {self.part} has {wrong[0]} {self.unit}, {self.bounds} wanted")


@dataclass(frozen=True, slots=True)
class Mentions:
    """Every one of some words or phrases so often, in any case.

    Args:
        words: Words or phrases.
        bounds: How often each.
        whole: Count whole words only, so that "can" is not in "cannot".
    """

    words: tuple[str, ...]
    bounds: Bounds
    whole: bool = False

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        counts = {word: len(self.pattern(word).findall(reply)) for word in self.words}
        wrong = {word: count for word, count in counts.items() if count not in self.bounds}
        shown = ", ".join(f"{word!r} {count}x" for word, count in (wrong or counts).items())
        return Outcome(not wrong, f"{shown}, {self.bounds} wanted")

    def pattern(self, word: str) -> re.Pattern[str]:
        """Return what finds a word in a reply."""
        escaped = re.sub("['’]", "['’]", re.escape(word))
        edged = rf"(?<!\w){escaped}(?!\w)" if self.whole else escaped
        return re.compile(edged, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter or sign so often, in any case."""

    letter: str
    bounds: Bounds

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        count = Counter(reply.lower())[self.letter.lower()]
        return Outcome(count in self.bounds, f"{self.letter!r} {count}x, {self.bounds} wanted")


@dataclass(frozen=True, slots=True)
class ParagraphOpens:
    """So many paragraphs with a blank line between, one of which begins with a word.

    Args:
        paragraphs: How many paragraphs.
        position: Which one, from 1.
        word: Its first word, in any case.
    """

    paragraphs: int
    position: int
    word: str

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply as IFEval does: parted by two newlines, blank ones counted as places."""
        parts = reply.split("\n\n")
        count = sum(bool(part.strip()) for part in parts)
        chosen = parts[self.position - 1].strip() if self.position <= count else ""
        first = _first_word(chosen) if chosen else ""
        holds = count == self.paragraphs and first.lower() == self.word.lower()
        seen = f"{count} paragraphs, number {self.position} begins with {first!r}"
        return Outcome(holds, f"{seen}; {self.paragraphs} and {self.word!r} wanted")


def _first_word(paragraph: str) -> str:
    return re.split(r"[.,?!'\"]", paragraph.split(maxsplit=1)[0].lstrip("'").lstrip('"'))[0]


@dataclass(frozen=True, slots=True)
class DividedParagraphs:
    """So many parts with ``***`` between them, none empty."""

    bounds: Bounds

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        parts = re.split(r"\s?\*\*\*\s?", reply)
        empty = [n for n, part in enumerate(parts) if not part.strip()]
        if any(0 < n < len(parts) - 1 for n in empty):
            return Outcome(False, "nothing stands between two dividers ***")
        count = len(parts) - len(empty)
        return Outcome(count in self.bounds, f"{count} parts, {self.bounds} wanted")


@dataclass(frozen=True, slots=True)
class Sections:
    """So many sections, each begun by a marker and a number: "SECTION 1"."""

    marker: str
    bounds: Bounds

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        count = len(re.findall(rf"\s?{re.escape(self.marker)}\s?\d+\s?", reply))
        return Outcome(count in self.bounds, f"{count} of {self.marker} X, {self.bounds} wanted")

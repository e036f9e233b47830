"""Reads an instruction's parts off its words: when it applies, what it says, which words matter."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_LEADS = r"(?:[Ii]f|[Ww]hen|[Ww]henever|[Ii]n case|[Oo]nce|[Ee]ach time|[Ee]very time)"
_LEAD = re.compile(rf"^\s*{_LEADS}\b\s*")
# A comma inside a place ("Paris, France,") ends no condition.
_LEADING = re.compile(
    rf"^\s*{_LEADS}\s+(.+?(?:,\s[A-Z][\w. ]{{1,20}}(?=,))?)(?:,\s*(?:then\s+)?|\s+then\s+)(.+)$",
    re.S,
)
_TOPICAL = re.compile(
    r"^\s*(?:for|in|with|on|about|as for|regarding|concerning|at|to (?:find|get|book|see))\s+"
    r"([^,]{2,60}?)(?:,\s*|:\s+)(.+)$",
    re.I | re.S,
)
_TRAILING = re.compile(rf"^\s*(.+?),?\s+{_LEADS}\s+(.+)$", re.S)
# "when I ask for", "you're looking for", "it comes to": says no more than that a topic follows.
_ASKING = re.compile(
    r"\b(?:i|you|we)(?:['’](?:m|re|d))?\s+(?:am\s+|are\s+|want to\s+|need to\s+|would like to\s+)?"
    r"(?:ask(?:ing)?|look(?:ing)?|request(?:ing)?|search(?:ing)?|inquir\w+|need|want|book(?:ing)?|"
    r"mak\w+ (?:a|my) request|order(?:ing)?|plan(?:ning)?|seek(?:ing)?)\b\s*"
    r"(?:for|about|to|up|at)?|\bit comes to\b|\b(?:asking|looking|searching) (?:for|about)\b|"
    r"\b(?:requesting|seeking)\b",
    re.I,
)
_VALUED = re.compile(r"\b(?:is|are|as|of|equals|named|called)\b\s+\S|[\"'“‘][^\"'”’]+[\"'”’]", re.I)
_ALSO = re.compile(r"\b(?:also|as well|besides|in addition|along with)\b", re.I)
_PERSON = re.compile(r"\s*(?:i|i['’]\w+|my|we|we['’]\w+|our)\b", re.I)
_MIDDLE = re.compile(
    rf"^\s*((?:[Mm]y|[Tt]he)\s.+?),?\s+{_LEADS}\s+(.+?),?\s+((?:is|are|would be)\s+.+)$", re.S
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_CAMEL = re.compile(r"(?<=[a-z]{3})(?=[A-Z])")
_ENDINGS = ("ings", "ing", "ies", "ers", "er", "ed", "es", "s", "e", "y")
_WORDS = tomllib.loads((Path(__file__).parent / "data" / "words.toml").read_text("utf-8"))
_PLAIN, _SLOT_WORDS = (frozenset(_WORDS[name].split()) for name in ("plain", "slots"))
_QUOTED = re.compile(r"[\"“‘](.{2,60}?)[\"”’]|(?<!\w)'(.{2,60}?)'(?!\w)")
_NAMED = re.compile(
    r"(?<=[\w,] )(?!I\b|I['’])[A-Z0-9][\w'’&.:/-]*"
    r"(?:,?\s+(?:[A-Z0-9&][\w'’&.:/-]*|of|the|vs|de|la))*"
)
_TELLING = re.compile(
    r"^.*\b(?:is|are|be|as|named|called|want|take|choose|some|for|in|an?)\s+(.+)$", re.S
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """An instruction's parts.

    Args:
        condition: What has to be asked for or be so, without the words of asking; empty for none.
        main: What is wanted then; the whole text without a condition.
        value: The words of it that name what is wanted.
        value_words: Stems of these.
        deciding_words: Stems of the condition that tell which value it asks for.
        condition_words: Stems of the condition that carry meaning.
        main_words: The same of the rest.
        asks: Whether the condition is that something is asked for.
        valued: Whether the condition is that something has a value.
        also: Whether it adds something to look at.
        person: Whether it begins by saying something of the person.
        words: All stems of the above.
    """

    condition: str
    main: str
    value: str
    value_words: frozenset[str]
    deciding_words: frozenset[str]
    condition_words: frozenset[str]
    main_words: frozenset[str]
    asks: bool
    valued: bool
    also: bool
    person: bool
    words: frozenset[str]


@lru_cache(maxsize=8192)
def parse(text: str, scope: str = "") -> Parsed:
    """Split an instruction into condition and consequence.

    Examples:
        >>> found = parse("If I ask for RentalCars, my pickup city is Turku")
        >>> found.condition, found.main, found.asks
        ('Rental Cars', 'my pickup city is Turku', True)
        >>> parse("I take the aisle seat when I book flights.").condition
        'flights'
    """
    condition, main = _split(_CAMEL.sub(" ", text.strip()))
    where = _LEAD.sub("", scope)
    condition = "; ".join(each for each in (where.strip(), condition) if each)
    asks = bool(_ASKING.search(condition))
    topic = _bare(condition)
    value = _value(main)
    deciding = stems(_value(topic)) - _SLOT_WORDS if topic else frozenset()
    deciding = deciding or stems(topic) - _SLOT_WORDS or stems(topic)
    value_words = stems(value) or stems(main)
    return Parsed(
        condition=topic,
        main=main,
        value=value,
        value_words=value_words,
        deciding_words=deciding,
        condition_words=stems(topic),
        main_words=stems(main),
        asks=asks,
        valued=bool(_VALUED.search(topic)),
        also=bool(_ALSO.search(main)),
        person=bool(_PERSON.match(text)),
        words=value_words | deciding | stems(topic) | stems(main),
    )


@lru_cache(maxsize=8192)
def stems(text: str) -> frozenset[str]:
    """Return the words that carry meaning, without their endings.

    Examples:
        >>> sorted(stems("I'm looking for cheap flights to Rome"))
        ['cheap', 'flight', 'rom']
    """
    words = _WORD.findall(_CAMEL.sub(" ", text).casefold())
    return frozenset(_stem(word) for word in words if word not in _PLAIN)


def _split(text: str) -> tuple[str, str]:
    for pattern in (_LEADING, _TOPICAL):
        found = pattern.match(text)
        if found:
            return found.group(1), found.group(2)
    found = _MIDDLE.match(text)
    if found:
        return found.group(2), f"{found.group(1)} {found.group(3)}"
    found = _TRAILING.match(text)
    if found:
        return found.group(2), found.group(1)
    return "", text


def _value(text: str) -> str:
    """Return the words that name what is wanted: quoted, or a name, or what follows "is"."""
    quoted = _QUOTED.search(text)
    if quoted:
        return next(each for each in quoted.groups() if each)
    names = _NAMED.findall(text)
    if names:
        return str(names[-1]).strip(" .,")
    told = _TELLING.match(text)
    return (told.group(1) if told else text).strip(" .,;:!")


def _bare(condition: str) -> str:
    bare = _ASKING.sub(" ", condition)
    bare = re.sub(r"\s+", " ", bare).strip(" .,;:!?")
    return bare if stems(bare) else ""


def _stem(word: str) -> str:
    word = re.split("['’]", word, maxsplit=1)[0]
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word

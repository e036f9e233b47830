"""Reads an instruction's parts off its words: when it applies, what it says, which words matter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_LEADS = r"(?:[Ii]f|[Ww]hen|[Ww]henever|[Ii]n case|[Oo]nce|[Ee]ach time|[Ee]very time)"
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
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_CAMEL = re.compile(r"(?<=[a-z]{3})(?=[A-Z])")
_ENDINGS = ("ings", "ing", "ies", "ers", "er", "ed", "es", "s", "e", "y")
# Words that an instruction or a request is built with, whatever it is about.
_PLAIN = frozenset(
    "a about after all also always am an and any anything are around as ask asking at be been best "
    "but by can check choose could do does don't down each especially every favorite favourite find "
    "first for from get give go going good got had has have help her hey him his how i i'd i'll i'm "
    "i've if in indicate into is it it's its just keep kind know let like listed look looking make "
    "makes making may me mean mind more most must my name need never no not of off oh ok on one "
    "only option or other our out over own pick please prefer preferably preference preferred "
    "prefers preferring really request requested requesting right search searching see select "
    "serve set should show so some someone something somewhere sort specific specifically specify "
    "state sure take than thanks that that's the their them then there they thing things this those "
    "through time to too top try type up us use usually want wanna was we we're well were what "
    "what's when whenever where which who why will wish with would you you're your yours".split()
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """An instruction's parts.

    Args:
        condition: What has to be asked for or be so, without the words of asking; empty for none.
        main: What is wanted then; the whole text without a condition.
        condition_words: Stems of the condition that carry meaning.
        main_words: The same of the rest.
        asks: Whether the condition is that something is asked for.
        valued: Whether the condition is that something has a value.
        also: Whether it adds something to look at.
        person: Whether it begins by saying something of the person.
    """

    condition: str
    main: str
    condition_words: frozenset[str]
    main_words: frozenset[str]
    asks: bool
    valued: bool
    also: bool
    person: bool


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
    condition = "; ".join(each for each in (scope.strip(), condition) if each)
    asks = bool(_ASKING.search(condition))
    topic = _bare(condition)
    return Parsed(
        condition=topic,
        main=main,
        condition_words=stems(topic),
        main_words=stems(main),
        asks=asks,
        valued=bool(_VALUED.search(topic)),
        also=bool(_ALSO.search(main)),
        person=bool(_PERSON.match(text)),
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
    found = _TRAILING.match(text)
    if found:
        return found.group(2), found.group(1)
    return "", text


def _bare(condition: str) -> str:
    bare = _ASKING.sub(" ", condition)
    bare = re.sub(r"\s+", " ", bare).strip(" .,;:!?")
    return bare if stems(bare) else ""


def _stem(word: str) -> str:
    word = word.split("'")[0].split("’")[0]
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word

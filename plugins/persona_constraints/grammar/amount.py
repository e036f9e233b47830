"""Amounts: "no more than three sentences", "between 50 and 100 words", "a 280-character limit"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from persona_constraints.amounts import Count, Each
from persona_constraints.bounds import Bounds
from persona_constraints.grammar.clauses import REPLY, Sentence
from persona_constraints.grammar.numbers import NUMBER, parse_number
from persona_constraints.outcome import Constraint

_UNITS = {
    r"words?": "words",
    r"sentences?": "sentences",
    r"(?:paragraphs?|paras)": "paragraphs",
    r"lines?(?: of text)?": "lines",
    r"(?:characters?|chars?)": "characters",
    r"markdown bullet(?:ed)?(?:[ -]?points?| items?)?s?": "markdown bullets",
    r"(?:bullet(?:ed)?[ -]?(?:points?|items?)|bullets)": "bullet points",
    r"(?:numbered (?:items?|points?|steps?)|list items|(?:items|entries) in (?:a|the) list)": (
        "numbered items"
    ),
    r"(?:emojis?|smileys?)": "emoji",
    r"(?:headings?|headers?|headlines?)": "headings",
    r"(?:exclamation (?:marks?|points?)|exclamations?)": "exclamation marks",
    r"(?:questions?|question marks?)": "question marks",
    r"(?:links?|urls?)": "links",
    r"(?:code blocks?|fenced code blocks?)": "code blocks",
    r"tables?": "tables",
    r"commas?": "commas",
    r"hashtags?": "hashtags",
    r"(?:highlighted (?:sections?|parts?|phrases?)|highlights?)": "highlights",
    r"place-?holders?(?: represented by square brackets| in square brackets)?": "placeholders",
}
_UNIT = "|".join(_UNITS)
# A bare "in three sentences" means exactly three; "in 100 words" means about as many.
_EXACT_WHEN_BARE = frozenset(
    {
        *("sentences", "paragraphs", "lines", "headings", "placeholders", "tables", "links"),
        *("emoji", "hashtags", "markdown bullets", "bullet points", "numbered items"),
        *("code blocks", "question marks"),
    }
)
_MOST = (
    r"(?:at (?:the )?(?:very )?most|a?t? ?max(?:imum|\.)?(?: of| is|:)?|a maximum of|up to|"
    r"(?:to|within|at|under|below)(?: a)? (?:maximum|max|limit) of|a limit of|within)"
)
_LEAST = (
    r"(?:at (?:the )?(?:very )?least|a minimum of|(?:a )?min(?:imum|\.)?(?: of|:)?|upwards? of)"
)
_OVER = (
    r"(?:(?:more|longer|bigger|larger|greater) than|over|above|exceed(?:s|ing)?|beyond|past|"
    r"in excess of)"
)
_UNDER = r"(?:(?:less|fewer|shorter|smaller) than|under|below|beneath)"
_EXACT = r"(?:exactly|precisely|just|only|no more(?:,)? (?:and )?no less than|strictly)"
_ADJECTIVE = (
    r"(?:short|simple|concise|brief|complete|full|main|key|total|separate|single|different|"
    r"well-written|English|long|crisp|tight|punchy|clear)"
)
_AFTERWARDS = (
    r"(?:or (?:less|fewer|under|below)|max(?:imum)?|at (?:the )?(?:very )?most|tops|or (?:more|"
    r"longer|above)|minimum|min|at (?:the )?(?:very )?least|limit|and no more(?! than)|"
    r"long at most|"
    r"and no (?:more|fewer|less)(?! than))"
)
_AMOUNT = re.compile(
    rf"(?:(?P<before>{_MOST}|{_LEAST}|{_OVER}|{_UNDER}|{_EXACT})\s+)?"
    rf"(?P<between>between |from |anywhere (?:between|from) )?\b(?P<first>{NUMBER})"
    rf"(?:\s*(?:-|–|to|and|or)\s*(?P<second>{NUMBER}))?"
    rf"(?:(?P<plus>\+|\s*or more|\s*or fewer|\s*or less)|)(?:[ -]| (?:{_ADJECTIVE},? )+)"
    rf"(?P<unit>{_UNIT})\b(?: ?(?P<hyphen>limit|maximum|max|cap|{REPLY}))?"
    rf"(?:\s+\(?(?P<after>{_AFTERWARDS})\b\)?)?",
    re.IGNORECASE,
)
_A_OR_TWO = re.compile(
    r"\b(?:a|one) (?P<unit>sentence|paragraph|line|bullet point|word)s? or two\b", re.IGNORECASE
)
_LIMIT = re.compile(
    rf"\b(?P<unit>word|character|sentence|line|paragraph) (?:limit|cap|maximum|max)"
    rf"(?: of| is|:| at)? (?P<first>{NUMBER})\b",
    re.IGNORECASE,
)
_PART = re.compile(
    r"\b(?P<part>sentence|paragraph|line|bullet(?: point)?|point|item)s?\b(?! or two)", re.I
)
_PER_PART = re.compile(
    r"\s*,?\s*(?:per|in (?:each|every|any|a single)|for (?:each|every)|(?=each|apiece))\s*"
    r"(?P<part>sentence|paragraph|line|bullet(?: point)?|point)?\b",
    re.IGNORECASE,
)
_LIMITING = re.compile(
    r"\b(?:keep|keeping|limit|limited|restrict(?:ed)?|cap(?:ped)?|stick|hold|confine|shorten|trim|"
    r"condense|cut|stay)\b[^,;]*\b(?:to|at)\s*(?:just |only )?$",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:no|not|never|n['’]t|dont|without|avoid|avoiding|refrain|nothing|none|cannot|stop)\b"
    r"[^,;]*$|n['’]t\b[^,;]*$",
    re.IGNORECASE,
)


def find_amounts(sentence: Sentence) -> Iterator[Constraint]:
    """Yield what a sentence says of how much the reply has."""
    for match in _AMOUNT.finditer(sentence.text):
        bounds = _bounds(sentence, match)
        if bounds is not None:
            yield from _constraint(sentence, match, _unit(match["unit"]), bounds)
    for match in _A_OR_TWO.finditer(sentence.text):
        yield from _constraint(sentence, match, _unit(match["unit"]), Bounds(1, 2))
    for match in _LIMIT.finditer(sentence.text):
        bounds = Bounds(most=parse_number(match["first"]))
        yield from _constraint(sentence, match, _unit(match["unit"]), bounds)


def _unit(words: str) -> str:
    return next(name for pattern, name in _UNITS.items() if re.fullmatch(pattern, words, re.I))


def _constraint(
    sentence: Sentence, match: re.Match[str], unit: str, bounds: Bounds
) -> Iterator[Constraint]:
    """Yield the constraint on the whole reply, or on each of its parts."""
    start, end = match.span()
    per = _PER_PART.match(sentence.text, end)
    clause = sentence.lead(start)[1]
    heads = [_part(each["part"]) for each in _PART.finditer(clause)]
    parts = [each for each in heads if each + "s" != unit]
    if per is not None and (per["part"] or parts or _earlier_part(sentence, start, unit)):
        part = (
            _part(per["part"])
            if per["part"]
            else (parts or [_earlier_part(sentence, start, unit)])[-1]
        )
        if part and sentence.accepts_before(start):
            yield Each(part, unit, bounds)
    elif sentence.accepts(start, end):
        yield Each(parts[-1], unit, bounds) if parts else Count(unit, bounds)


def _earlier_part(sentence: Sentence, start: int, unit: str) -> str:
    """Return the part that "each" refers to: "three bullets, ten words each"."""
    heads = [_part(each["part"]) for each in _PART.finditer(sentence.text[:start])]
    return next((each for each in reversed(heads) if each + "s" != unit), "")


def _part(word: str) -> str:
    return (
        "bullet point"
        if word.lower() in ("bullet", "bullet point", "point", "item")
        else word.lower()
    )


def _bounds(sentence: Sentence, match: re.Match[str]) -> Bounds | None:
    """Return how many are meant, or None where that cannot be said."""
    first = parse_number(match["first"])
    if re.match(r" or two\b", sentence.text[match.end() :], re.IGNORECASE):
        return None
    if match["second"]:
        second = parse_number(match["second"])
        return Bounds(first, second) if first <= second else None
    before, after = match["before"] or "", (match["plus"] or match["after"] or "").strip()
    lead = sentence.text[: match.start()]
    compared = _compared(before, first, negated=bool(_NEGATED.search(lead)))
    if before:
        return compared
    if after:
        return _afterwards(after, first)
    limited = (match["hyphen"] or "").strip() in ("limit", "maximum", "max", "cap")
    if limited or _LIMITING.search(lead):
        return Bounds(most=first)
    return _bare(match, lead, first)


def _bare(match: re.Match[str], lead: str, first: int) -> Bounds | None:
    """Return what a number with nothing to say how it is meant says."""
    if re.search(r"\bat (?:a |the )?(?:minimum|least)\b", lead, re.IGNORECASE):
        return Bounds(first)
    if re.search(r"\bat (?:a |the )?(?:maximum|max|most)\b", lead, re.IGNORECASE):
        return Bounds(most=first)
    if _NEGATED.search(lead) or re.search(r"\b(?:than|over|under|exceed\w*)\s*$", lead):
        return None
    unit = _unit(match["unit"])
    bare = unit in _EXACT_WHEN_BARE or (unit == "words" and first == 1)
    indefinite = match["first"].lower() in ("a", "an") and unit not in ("sentences", "paragraphs")
    return Bounds(first, first) if bare and not indefinite else None


def _compared(before: str, number: int, *, negated: bool) -> Bounds | None:
    if re.fullmatch(_OVER, before, re.IGNORECASE):
        return Bounds(most=number) if negated else _more(before, number)
    if re.fullmatch(_UNDER, before, re.IGNORECASE):
        return Bounds(number) if negated else Bounds(most=number - 1)
    if negated and not re.fullmatch(_EXACT, before, re.IGNORECASE):
        return None
    if re.fullmatch(_LEAST, before, re.IGNORECASE):
        return Bounds(number)
    if re.fullmatch(_MOST, before, re.IGNORECASE):
        return Bounds(most=number)
    return None if negated else Bounds(number, number)


def _more(before: str, number: int) -> Bounds | None:
    return None if before.lower().startswith("exceed") else Bounds(number + 1)


def _afterwards(after: str, number: int) -> Bounds:
    if re.match(r"\+|or (?:more|longer|above)|min|at (?:the )?(?:very )?least", after, re.I):
        return Bounds(number)
    if re.match(r"and no", after, re.I):
        return Bounds(number, number)
    return Bounds(most=number)

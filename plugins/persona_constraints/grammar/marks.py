"""Signs and elements that are wanted or not: "no emoji", "in a numbered list"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from persona_constraints.amounts import Count
from persona_constraints.bounds import NONE, SOME
from persona_constraints.grammar.clauses import Sentence
from persona_constraints.outcome import Constraint

_MARKDOWN_SIGNS = (
    r"(?:markdown(?: (?:formatting|syntax|marks?|markup))?|(?:text )?formatting|markup)"
)
# Longer names first: "bullet points" must not be read as "points".
_ELEMENTS: dict[str, tuple[str, ...]] = {
    r"(?:emojis?|emoticons?|smiley faces?|smileys?)": ("emoji", "emoticons"),
    r"(?:bullet(?:ed)?[ -]?(?:points?|lists?|items?)|bulletpoints?|bullets)": ("bullet points",),
    r"(?:numbered|ordered|enumerated) (?:lists?|points?|items?|steps?)": ("numbered items",),
    r"(?:lists|list format|listicles?)": ("bullet points", "numbered items"),
    r"(?:markdown )?tables?": ("tables",),
    r"(?:markdown )?(?:section )?(?:sub)?(?:headings?|headers?)": ("headings",),
    r"(?:bold(?:face)?(?:d)?(?: (?:text|type|font|words|letters|print|formatting))?|bolding)": (
        "bold parts",
    ),
    r"(?:italics?(?: text)?|italici[sz]ed (?:text|words))": ("italic parts",),
    r"(?:fenced )?code (?:blocks?|fences?)|fenced code": ("code blocks",),
    r"(?:hyper)?links?|urls?": ("links",),
    r"exclamation (?:marks?|points?|signs?)|exclamations?": ("exclamation marks",),
    r"question marks?|(?:rhetorical |follow-?up |clarifying )?questions?": ("question marks",),
    r"commas?": ("commas",),
    r"semi-?colons?": ("semicolons",),
    r"colons": ("colons",),
    r"(?:em|long)[ -]?dash(?:es)?": ("em dashes",),
    r"parenthes[ie]s|parentheticals?|(?:round )?brackets": ("parentheses",),
    r"asterisks?|stars": ("asterisks",),
    r"ellips[ei]s": ("ellipses",),
    r"hash ?tags?": ("hashtags",),
    r"contractions?|contracted forms": ("contractions",),
    r"(?:the )?first[ -]person(?: (?:pronouns?|voice|language|singular|perspective))?": (
        "words of the first person",
    ),
    r"digits|numerals": ("digits",),
    r"imperial(?: (?:units|measurements|measures))?": ("imperial amounts",),
    r"metric(?: (?:units|measurements|measures))?": ("metric amounts",),
    _MARKDOWN_SIGNS: ("marks of markdown",),
}
_ELEMENT = "|".join(f"(?:{each})" for each in _ELEMENTS)
_NEGATION = (
    r"(?:no more|no|not|never|without|zero|avoid(?:ing)?|stop|quit|skip(?:ping)?|omit(?:ting)?|"
    r"drop(?:ping)?|leave out|leav(?:e|ing) off|refrain(?:ing)? from|exclude|ditch|ban(?:ned)?|"
    r"cut(?: out)?|lose|free of|lay off|minus|nix|do not|don['’]?t|dont|shouldn['’]?t|"
    r"mustn['’]?t|must not|cannot|can['’]?t|hate|dislike|don['’]?t like|can['’]?t stand|"
    r"steer clear of|spare me|eliminate|remove|hold)"
)
_USE = (
    r"(?:use|using|include|including|add|adding|put|insert|write|writing|give|have|contain|"
    r"contains|see|seeing|want|like|make|employ|apply|format|ask|asking|the use of|to use|"
    r"to see|be|containing|answer|reply|respond|rely on|present|show|send|throw|"
    r"speak|refer|wrap)"
)
_FILLER = (
    r"(?:me|any|the|a|an|those|these|such|your|with|in|as|on|out|things|text|words|it|of|"
    r"using|to|more|all|kind of|sort of|into|or|ever|like|answers?|repl(?:y|ies)|responses?|"
    r"single|silly|annoying|fancy|unnecessary|bloody|damn|please|single)"
)
_JOIN = r"(?:\s*,\s*(?:and\s+|or\s+|nor\s+)?|\s*/\s*|\s+(?:and|or|nor|&)\s+)(?:no\s+|any\s+)?"
_OTHER = r"(?:[\w'-]+(?: [\w'-]+)?)"
_ABSENT = re.compile(
    rf"\b{_NEGATION}(?:\s+(?:{_USE}|ever|always|feel like)\b)*+(?:\s+{_FILLER}\b)*+\s+"
    rf"(?:{_OTHER}{_JOIN}){{0,3}}?(?P<list>(?:{_ELEMENT})\b"
    rf"(?:{_JOIN}(?:{_OTHER}{_JOIN})?(?:{_ELEMENT})\b){{0,12}}+)",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(
    rf"(?P<list>(?:{_ELEMENT})\b(?:{_JOIN}(?:{_ELEMENT})\b){{0,12}}+)\s*"
    r"(?:(?:are|is|must|should|shall)(?: not|n['’]t)(?: be)?(?: (?:allowed|permitted|used|okay|ok|"
    r"welcome|included|acceptable|wanted))|(?:are|is) (?:strictly )?(?:forbidden|banned|prohibited|"
    r"not allowed|off[ -]limits|unwelcome)|(?:annoy|irritate|bother|distract)s? me|annoying\b|"
    r"[- ]free\b)",
    re.IGNORECASE,
)
_KEEP_OUT = re.compile(
    rf"\b(?:keep|leave) (?P<list>(?:{_ELEMENT})\b(?:{_JOIN}(?:{_ELEMENT})\b){{0,12}}+) out\b", re.I
)
_NEEDED = (
    r"(?:use|using|include|including|add|adding|insert|contain|contains|give(?: me)?|have|with|in|"
    r"as|with some|format(?:ted)?(?: \w+){0,2} (?:as|in|with|into)|sprinkle in|in the form of|"
    r"throw in|love|like|prefer|want|ask(?: me)?|make|into|write)"
)
_PRESENT = re.compile(
    rf"\b{_NEEDED}\s+(?:(?:me|at least one|one or more|some|a|an|the|relevant|your|my|fun|nice|"
    rf"clear|neat|proper|plenty of|lots of|simple|short|one|single|matching|fitting|"
    rf"markdown|style|valid|the form of(?: a)?)\s+)*(?P<list>(?:{_ELEMENT})\b"
    rf"(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+)(?:(?:a|an|some) )?(?:{_ELEMENT})\b)*)"
    r"(?:\s+(?:form|format|style))?",
    re.IGNORECASE,
)
_METRIC = re.compile(
    r"\b(?:metric(?: (?:units|system|measurements|measures))?|SI units|celsius|kilomet(?:re|er)s|"
    r"kilograms)(?: (?:only|units|system))*(?=\s*(?:$|[,;]|please|only|and|for|instead|not|"
    r"rather))",
    re.IGNORECASE,
)
_PLAIN = re.compile(
    r"\b(?:plain[ -]?text(?: only)?|only plain text|unformatted text|raw text)\b", re.IGNORECASE
)
_CLOCK = re.compile(
    r"\b(?:24[ -]?h(?:(?:ou)?rs?)?|military)(?: (?:time|clock|format|notation))+", re.I
)
_CLOCK_12 = re.compile(r"\b12[ -]?h(?:ou)?r(?: (?:time|clock|format|notation))+", re.IGNORECASE)
_VOICE = re.compile(
    r"\b(?:in|use|using) (?:the )?(?P<person>first|second)[ -]person\b", re.IGNORECASE
)

_EDGE = re.compile(
    r"\b(?:end|ends|ending|finish|finishing|close|closing|conclude|start|starts|starting|begin|"
    r"beginning|open|opening)\b[^,;]*$",
    re.IGNORECASE,
)
_DENIED = re.compile(rf"\b{_NEGATION}\b", re.IGNORECASE)
_OPEN = re.compile(rf"\b{_NEGATION}\b|\byou (?:may|can|could|might)\b|\bmay use\b", re.IGNORECASE)
_WANTED = frozenset(
    {
        *("emoji", "tables", "headings", "links", "hashtags", "bullet points", "numbered items"),
        *("bold parts", "italic parts", "code blocks", "exclamation marks", "question marks"),
        *("marks of markdown", "contractions"),
    }
)


def find_marks(sentence: Sentence) -> Iterator[Constraint]:
    """Yield what a sentence says of signs and elements."""
    absent = [unit for pattern in (_ABSENT, _KEEP_OUT) for unit in _absent(sentence, pattern)]
    absent += _absent(sentence, _FORBIDDEN, checked=False)
    yield from (Count(unit, NONE) for unit in dict.fromkeys(absent))
    yield from (Count(unit, SOME) for unit in _wanted(sentence) if unit not in absent)
    yield from _find_styles(sentence)


def _absent(sentence: Sentence, pattern: re.Pattern[str], *, checked: bool = True) -> list[str]:
    return [unit for name in _names(sentence, pattern, checked=checked) for unit in _units(name)]


def _wanted(sentence: Sentence) -> list[str]:
    """Return what one of must be there; of "lists" nobody knows which."""
    found = [_units(name) for name in _names(sentence, _PRESENT)]
    found = [units[:1] if units[0] == "emoji" else units for units in found]
    return [units[0] for units in found if len(units) == 1 and units[0] in _WANTED]


def _names(sentence: Sentence, pattern: re.Pattern[str], *, checked: bool = True) -> list[str]:
    found: list[str] = []
    for match in pattern.finditer(sentence.text):
        if checked and not sentence.accepts(match.start(), match.end()):
            continue
        if pattern is _PRESENT and _OPEN.search(sentence.lead(match.start())[1] + match[0]):
            continue
        # "End with a question" is about the end.
        if not _EDGE.search(sentence.text[: match.start("list")]):
            names = re.finditer(rf"\b(?:{_ELEMENT})\b", match["list"], re.IGNORECASE)
            found += (name[0] for name in names)
    return found


def _units(name: str) -> tuple[str, ...]:
    return next(
        units for pattern, units in _ELEMENTS.items() if re.fullmatch(pattern, name, re.IGNORECASE)
    )


def _find_styles(sentence: Sentence) -> Iterator[Constraint]:
    for pattern, unit in (
        *((_PLAIN, "marks of markdown"), (_CLOCK, "12-hour times"), (_CLOCK_12, "24-hour times")),
        (_METRIC, "imperial amounts"),
    ):
        for match in pattern.finditer(sentence.text):
            denied = _DENIED.search(sentence.lead(match.start())[1])
            if not denied and sentence.accepts_before(match.start()):
                yield Count(unit, NONE)
    for match in _VOICE.finditer(sentence.text):
        denied = _DENIED.search(sentence.lead(match.start())[1])
        if not denied and sentence.accepts(match.start(), match.end()):
            yield Count(f"words of the {match['person'].lower()} person", SOME)

"""Forms of the whole reply, some of them said over more than one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable

from persona_constraints.amounts import Count, DividedParagraphs, ParagraphOpens, Sections
from persona_constraints.bounds import SOME, Bounds, exactly
from persona_constraints.grammar.numbers import NUMBER, parse_number
from persona_constraints.outcome import Constraint
from persona_constraints.shape import (
    Alternatives,
    Closes,
    Json,
    OneOf,
    Postscript,
    Quoted,
    RepeatsRequest,
)

Build = Callable[[re.Match[str]], Constraint | None]
_FLAGS = re.IGNORECASE | re.DOTALL
_MANY = rf"(?:exactly |at least |precisely )?(?P<n>{NUMBER})"


def find_forms(text: str) -> tuple[tuple[Constraint, ...], str]:
    """Return the forms that a text asks for, and the text without what asked for them."""
    found: list[Constraint] = []
    for pattern, build in _FORMS:
        match = pattern.search(text)
        constraint = build(match) if match else None
        if match and constraint is not None:
            found.append(constraint)
            text = f"{text[: match.start()].rstrip()} . {text[match.end() :].lstrip()}".strip(" .")
    return tuple(found), text


def _repeat(match: re.Match[str]) -> Constraint:
    return RepeatsRequest(match["request"].strip() if match["request"] else None)


def _sections(match: re.Match[str]) -> Constraint:
    count = parse_number(match["n"])
    marker = (match["quoted"] or match["bare"]).strip()
    return Sections(marker, Bounds(count))


def _divided(match: re.Match[str]) -> Constraint:
    return DividedParagraphs(exactly(parse_number(match["n"])))


def _first_word(match: re.Match[str]) -> Constraint:
    ordinal = match["nth"] or match["nth2"]
    return ParagraphOpens(
        parse_number(match["n"]), parse_number(ordinal), match["word"].strip("\"'“”").lower()
    )


def _postscript(match: re.Match[str]) -> Constraint:
    marker = (match["marker"] or "P.S.").upper().replace(" ", "")
    return Postscript("P.P.S" if marker.startswith(("P.P", "PP")) else "P.S.")


def _options(match: re.Match[str]) -> Constraint | None:
    words = match["options"]
    quoted = tuple(re.findall(r"[\"“']([^\"”\n]+?)[\"”'](?=[\s,.;)]|$)", words))
    if quoted:
        return OneOf(quoted)
    plain = re.split(r"\s*,\s*(?:or\s+)?|\s+or\s+", words.strip(" ()."))
    short = len(plain) > 1 and all(len(each.split()) <= 2 for each in plain)
    return OneOf(tuple(plain), only=True) if short else None


def _ending(match: re.Match[str]) -> Constraint:
    return Closes(match["phrase"].strip().strip('"“”'))


_FORMS: tuple[tuple[re.Pattern[str], Build], ...] = (
    (
        re.compile(
            r"\b(?:first,?\s+)?(?:always\s+)?repeat\s+(?:back\s+)?(?:my|the|this|each|every)\s+"
            r"(?:entire |whole |full )?(?:request|question|prompt|message|query)\s*"
            r"(?:back\s+)?(?:word[ -]for[ -]word|verbatim|exactly|without change|unchanged|"
            r"as it is)"
            r"(?:(?:.{0,60}?):\s*[\"“](?P<request>.+)[\"”]\s*$|.*$)",
            _FLAGS,
        ),
        _repeat,
    ),
    (
        re.compile(
            r"\b(?:two|2) (?:different |alternative )?(?:responses|replies|answers|versions|"
            r"options)"
            r"\b.{0,80}?(?:\*{6}|asterisks?)(?:.{0,30}?\*{6})?",
            _FLAGS,
        ),
        lambda _: Alternatives(),
    ),
    (
        re.compile(
            rf"\b{_MANY} (?:sections|parts|paragraphs|chapters)\b.{{0,80}}?\b(?:mark|label|begin|"
            r"start|head)\w*\b.{0,60}?\b(?:with|by|as)\b:?\s*"
            r"(?:[\"“](?P<quoted>[^\"”\n]+?)\s+(?:X|N|#|1)[\"”]|(?P<bare>[A-Za-z]+) (?:X|N)\b)"
            r"(?:.{0,20}such as:?.*$)?",
            _FLAGS,
        ),
        _sections,
    ),
    (
        re.compile(
            rf"\b{_MANY} paragraphs\b.{{0,160}}?(?:\b(?:first word of )?(?:the )?paragraph "
            rf"(?:number )?(?P<nth>{NUMBER})\b.{{0,20}}?|(?:the )?(?P<nth2>first|second|third|"
            r"fourth|fifth|sixth|seventh|last) paragraph.{0,20}?)(?:start|begin|open)?(?:s|ing)?\s*"
            r"with (?:the )?(?:word |exact word )*(?P<word>[\"“'][^\"”']+[\"”']|\w+)",
            _FLAGS,
        ),
        _first_word,
    ),
    (
        re.compile(rf"\b{_MANY} paragraphs\b.{{0,90}}?(?<!\*)\*{{3}}(?!\*)", _FLAGS),
        _divided,
    ),
    (
        re.compile(
            r"\b(?:add|include|write|end with|finish with|put|append|close with|with)\s+"
            r"(?:\w+ ){0,2}?(?:a |an )?(?:post-?script|(?=P\.\s?S))"
            r"(?:.{0,60}?\b(?:starting|beginning|that starts|that begins|marked|labell?ed|"
            r"introduced)"
            r"\s+(?:with|by|as)\s+)?[\"“']?(?P<marker>P\.?\s?P\.?\s?S\.?|P\.\s?S\.?)?[\"”']?",
            _FLAGS,
        ),
        _postscript,
    ),
    (
        re.compile(
            r"\btitle\b.{0,40}?(?:double angular brackets|double angle brackets|<<)"
            r"(?:.{0,40}?<<[^>\n]*>>)?(?: brackets)?",
            _FLAGS,
        ),
        lambda _: Count("titles", SOME),
    ),
    (
        re.compile(
            r"\b(?:answer|reply|respond)(?: only)?(?: with| using)?(?: exactly| only| just)?"
            r"(?: either)? (?:one of (?:these|the following)(?: options| sentences| phrases|"
            r" words| "
            r"answers)?:?|one of:?)\s*(?P<options>[(\"“'].+|[\w ]+(?:,[\w ]+)*(?:,? or [\w ]+))",
            _FLAGS,
        ),
        _options,
    ),
    (
        re.compile(
            r"(?:^|[.,:;]\s*|\b(?:please|only|always|must|should|just|to) )"
            r"(?:answer|reply|respond)(?: to \w+)?(?: only| just)?(?: (?:with|"
            r"using))?(?: only| just)?"
            r"(?: either)? (?:the words? )?(?P<options>(?:\"?(?:yes|no|true|false|maybe|agree|"
            r"disagree|"
            r"correct|incorrect|right|wrong|unsure)\"?(?:, | or |, or )?){2,})(?= only|[.!]|$)",
            _FLAGS,
        ),
        lambda match: OneOf(
            tuple(re.findall(r"\w+", re.sub(r"\bor\b", " ", match["options"]))), only=True
        ),
    ),
    (
        re.compile(
            r"\b(?:wrap|put|enclose|surround|place)\b.{0,60}?\b(?:in|with|within|inside|between) "
            r"(?:double )?(?:quotation marks|quotes|quote marks)(?: \(?\"\"?\)?)?",
            _FLAGS,
        ),
        lambda _: Quoted(),
    ),
    (
        re.compile(
            r"\b(?:double )?(?:quotation marks|quotes) around (?:the|your) (?:whole|entire|full) "
            r"(?:repl(?:y|ies)|responses?|answers?|outputs?|text)",
            _FLAGS,
        ),
        lambda _: Quoted(),
    ),
    (
        re.compile(
            rf"\bexactly (?P<n>{NUMBER}) bullet points\b.{{0,20}}?\bmarkdown bullet points?"
            r"(?: such as.*$)?",
            _FLAGS,
        ),
        lambda match: Count("markdown bullets", exactly(parse_number(match["n"]))),
    ),
    (
        re.compile(
            rf"\bhighlight (?:at least )?(?P<n>{NUMBER}) (?:\w+ )?(?:sections?|parts?|phrases?)\b"
            r"(?:.{0,40}?markdown)?(?:.{0,20}?\*[\w ]+\*)?",
            _FLAGS,
        ),
        lambda match: Count("highlights", Bounds(parse_number(match["n"]))),
    ),
    (
        re.compile(
            r"\b(?:end|finish|close|conclude)\b.{0,30}?\bwith (?:this|the) exact phrase:?\s*"
            r"(?P<phrase>[\"“][^\"”]+[\"”]|.+?(?=\.?\s+No other words)|.+$)"
            r"(?:[.?!]*\s*No other words.*$)?",
            _FLAGS,
        ),
        _ending,
    ),
    (
        re.compile(
            r"^(?:please |always |only |you must |you should |must )*(?:(?:give|output|reply|"
            r"respond|"
            r"answer|return|format|provide|wrap|write|send|use|be|should|produce|want|like|entire|"
            r"your|the|whole|my|me|in|with|as|every|each|all|everything|i|it|only|output|outputs|"
            r"reply|replies|response|responses|answers|wrapped|strictly|valid|to|you|must|a|just|"
            r"results?|formatted|object|raw)\s+)*JSON(?: (?:format|object|objects|only|output))*"
            r"(?=\s*(?:$|[.,;!:]|and\b|with no\b|without\b|please|only|when|if|no\b|for me|"
            r"you can))"
            r"(?:\. You can use markdown ticks such as ```)?",
            _FLAGS,
        ),
        lambda _: Json(),
    ),
)

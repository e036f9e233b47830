"""Words that must or must not stand in a reply, at its beginning or at its end."""

from __future__ import annotations

import re
from collections.abc import Iterator

from persona_constraints.amounts import Count, Letter, Mentions
from persona_constraints.bounds import NONE, SOME, Bounds, exactly
from persona_constraints.grammar.clauses import QUOTE, Sentence
from persona_constraints.grammar.numbers import NUMBER, parse_number
from persona_constraints.outcome import Constraint
from persona_constraints.shape import Closes, Opens

_NOUN = (
    r"(?:(?:the|these|this|those|any of(?: the| these)?|all of(?: the| these)?|following|both|"
    r"either|exact|specific|key|one of|a)\s+)*"
    r"(?:key-?words?|words?|phrases?|terms?|names?|expressions?|sentences?|hashtags?|text|line)?"
    r"(?:\s+(?:of|like|such as|namely|including))?[:,]?\s*"
)
_QUOTES = (
    rf"(?P<quotes>{QUOTE}(?:(?:\s*,\s*(?:and |or |nor )?|\s+(?:and|or|nor|"
    rf"&)\s+)(?:the words? )?{QUOTE})*)"
)
_BARE = (
    r"(?P<bare>[\w'-]+(?:(?:\s*,\s*(?:and |or |nor )?|\s+(?:and|or|nor)\s+)[\w'-]+)*)"
    r"(?=\s*(?:$|[.,;]|in\b|at\b|when\b|with\b|ever\b|please\b|anywhere\b|should\b|must\b))"
)
_ONE_BARE = re.compile(r"\bthe (?:word|term|keyword) (?P<bare>[\w'-]+)(?=\s)", re.IGNORECASE)
_LISTED = (
    r"(?:(?:the|these|this|those|following|any of the|both|either)\s+)+"
    r"(?:key-?words?|words?|terms?)[:,]?\s+"
)
_NOT = (
    r"(?:never|not|n['’]t|avoid|without|stop|quit|no|refrain from|omit|leave out|skip|drop|exclude|"
    r"ban|hate|dislike|don['’]?t|do not|dont|instead of|rather than|steer clear of)"
)
_VERB = (
    r"(?:use|using|say|saying|mention|mentioning|include|including|write|writing|contain|"
    r"containing|add|adding|have|work in|weave in|insert|put|utter|bring up|the use of|see|hear|"
    r"reading|seeing|repeat|incorporate|when you say|throw in|type|call me|address me as|"
    r"refer to me as)"
)
_MENTION = re.compile(
    rf"\b(?P<verb>{_VERB}|{_NOT})\s+(?:me\s+)?(?P<noun>{_NOUN}){_QUOTES}", re.IGNORECASE
)
_MENTION_BARE = re.compile(rf"\b(?P<verb>{_VERB}|{_NOT})\s+{_LISTED}{_BARE}", re.IGNORECASE)
_NAME = re.compile(
    r"\b(?P<verb>(?i:mention|mentioning|bring up|refer to|say))\s+(?:my [\w-]+\s+)?"
    r"(?P<name>[A-Z][\w'&-]*(?:\s+[A-Z][\w'&-]*)*)(?=\s*(?:$|[.,;]|in\b|at\b|ever\b|again\b))"
)
_PASSIVE = re.compile(
    rf"\b(?P<noun>{_NOUN}){_QUOTES}\s+(?P<verb>must|should|shall|may|can|is|are|has to|have to|"
    rf"needs? to)"
    r"(?P<not>\s*not|n['’]t|\s+never)?\s*(?:be\s+)?(?:strictly\s+)?(?P<state>appear|occur|show up|"
    r"used|included|mentioned|present|allowed|permitted|forbidden|banned|prohibited|avoided|"
    r"off[ -]limits|said|stand)\b",
    re.IGNORECASE,
)
_TIMES = re.compile(
    r"\s*(?:(?:must|should|shall|has to|have to|may|can|is to|to)\s+)?"
    r"(?:appears?|occurs?|shows? up|be used|used|be mentioned|mentioned|be)?\s*"
    rf"(?P<relation>at least|at most|no more than|not more than|more than|less than|fewer than|"
    rf"exactly|no fewer than|no less than|a minimum of|a maximum of|up to)?\s*"
    rf"(?:(?P<once>once|twice|thrice)|(?P<n>{NUMBER}|zero) times?|(?P<m>\d+)\s*(?:x|×))"
    r"(?:\s+(?P<after>or more|or less|or fewer|at most|at least|max(?:imum)?|or twice))?",
    re.IGNORECASE,
)
_LETTER = re.compile(
    r"\b(?:the )?(?:letter|character|sign|symbol)\s+(?:(?P<bare>\S)(?=\s|$|[.,])|(?P<quote>⟦\d+⟧))",
    re.IGNORECASE,
)
_CAPITAL_WORDS = re.compile(
    r"\bwords? (?:with|in|written in) all[ -](?:capital|caps|upper ?case)(?: letters)?", re.I
)
_VISIT = (
    rf"(?:(?:each|every|all|any|your|the|my|of|a|single|entire|whole|conversation|"
    rf"chat)\s+)*(?:{'{}'})?\s*"
)
_REPLY = r"(?:repl(?:y|ies)|responses?|answers?|outputs?|messages?|texts?|emails?|letters?|it|them)"
_START = re.compile(
    r"\b(?P<verb>start(?:ing)?|begin(?:ning)?|open(?:ing)?|kick(?:ing)? off|preface|prefix|lead)\s+"
    rf"(?:off\s+)?{_VISIT.format(_REPLY)}(?:off )?(?:with|by saying|by writing|by)\s+"
    rf"(?P<noun>{_NOUN})(?:saying\s+)?(?P<rest>.+)",
    re.IGNORECASE,
)
_END = re.compile(
    r"\b(?P<verb>end(?:ing)?|finish(?:ing)?|clos(?:e|ing)|conclud(?:e|ing)|sign(?:ing)?(?: off)?|"
    r"wrap(?:ping)? up|terminate)\s+"
    rf"(?:off\s+)?{_VISIT.format(_REPLY)}(?:off )?(?:with|by saying|by writing|by|on|in|as)\s+"
    rf"(?P<noun>{_NOUN})(?:saying\s+)?(?P<rest>.+)",
    re.IGNORECASE,
)
_LAST = re.compile(
    rf"\b(?P<place>last|final|first|opening|closing) (?:words?|phrase|sentence|line|thing)\b"
    rf"[^⟦]*?\b(?:should|must|has to|have to|is|are|be|to be|say|read)\b[^⟦]*{_QUOTES}",
    re.IGNORECASE,
)
_SAID = re.compile(r"(?P<name>[A-Z][\w'’.-]*(?:[ ,]+[\w'’.-]+){0,3}[!?.:]?)\s*$")
_DENIED = re.compile(rf"\b{_NOT}\b[^,;]*$|n['’]t\b[^,;]*$", re.IGNORECASE)
_QUESTION = re.compile(r"^(?:an? )?(?:[\w-]+ ){0,2}question\b", re.IGNORECASE)
_EXCLAMATION = re.compile(r"^(?:an? )?exclamation (?:mark|point)\b", re.IGNORECASE)


def find_phrases(sentence: Sentence) -> Iterator[Constraint]:
    """Yield what a sentence says of words, letters, openings and closings."""
    edges = [*_edges(sentence)]
    yield from edges
    if edges:
        return
    letters = [*_letters(sentence)]
    yield from letters
    if not letters:
        yield from _mentions(sentence)


def _edges(sentence: Sentence) -> Iterator[Constraint]:
    for pattern, kind in ((_START, Opens), (_END, Closes)):
        match = pattern.search(sentence.text)
        if match is None or not sentence.accepts_before(match.start()):
            continue
        wanted = not _DENIED.search(sentence.text[: match.start()])
        for phrase in _said(sentence, match["rest"], closing=kind is Closes, wanted=wanted):
            yield kind(phrase, wanted)
    match = _LAST.search(sentence.text)
    if match is not None and not _DENIED.search(sentence.text[: match.start()]):
        kind = Opens if match["place"].lower() in ("first", "opening") else Closes
        yield kind(sentence.quoted(match["quotes"])[0])


def _said(sentence: Sentence, rest: str, *, closing: bool, wanted: bool) -> tuple[str, ...]:
    """Return the phrases meant: quoted, a name in capitals, or what a question ends with."""
    quoted = re.match(rf"{_QUOTES}", rest)
    if quoted:
        phrases = sentence.quoted(quoted["quotes"])
        return phrases if not wanted else phrases[: 1 if len(phrases) == 1 else 0]
    if closing and _QUESTION.match(rest):
        return ("?",)
    if closing and _EXCLAMATION.match(rest):
        return ("!",)
    named = _SAID.match(rest)
    return (named["name"].rstrip("."),) if named else ()


def _letters(sentence: Sentence) -> Iterator[Constraint]:
    match = _CAPITAL_WORDS.search(sentence.text)
    if match is not None and (bounds := _times(sentence.text[match.end() :])) is not None:
        yield Count("words in capitals", bounds)
    for match in _LETTER.finditer(sentence.text):
        letter = match["bare"] or sentence.quoted(match["quote"])[0]
        bounds = _times(sentence.text[match.end() :])
        if bounds is None and _DENIED.search(sentence.text[: match.start()]):
            bounds = NONE
        if bounds is not None and len(letter) == 1:
            yield Letter(letter.lower(), bounds)


def _mentions(sentence: Sentence) -> Iterator[Constraint]:
    seen: list[tuple[int, int]] = []
    for match in _PASSIVE.finditer(sentence.text):
        bounds = _times(sentence.text[match.end() :])
        refused = match["not"] or match["state"].lower().startswith(
            ("forb", "ban", "proh", "av", "off")
        )
        if match["verb"].lower() in ("is", "are", "may", "can") and not refused:
            continue
        seen.append(match.span())
        yield from _mention(sentence.quoted(match["quotes"]), NONE if refused else bounds or SOME)
    for match in (*_MENTION.finditer(sentence.text), *_MENTION_BARE.finditer(sentence.text)):
        if any(start <= match.start("verb") + 1 < end for start, end in seen):
            continue
        groups = match.groupdict()
        words = sentence.quoted(groups["quotes"]) if groups.get("quotes") else _split(match["bare"])
        yield from _mention(words, _wanted(sentence, match))
    for match in _ONE_BARE.finditer(sentence.text):
        if not any(start <= match.start() < end for start, end in seen):
            yield from _mention((match["bare"],), _times(sentence.text[match.end() :]))
    for match in _NAME.finditer(sentence.text):
        if sentence.accepts_before(match.start()) and match["name"].lower() != "i":
            yield from _mention((match["name"],), _wanted(sentence, match))


def _wanted(sentence: Sentence, match: re.Match[str]) -> Bounds | None:
    """Return how often the words of a match are wanted; None where they may stand."""
    refused = re.fullmatch(_NOT, match["verb"], re.IGNORECASE)
    denied = refused or _DENIED.search(sentence.text[: match.start()])
    after = sentence.text[match.end() :]
    bounds = _times(after)
    if bounds is None and not sentence.accepts_after(match.end()):
        return None
    if denied:
        more = re.match(r"\s*more than\b", after)
        return Bounds(most=bounds.least - 1) if more and bounds else (None if bounds else NONE)
    known = sentence.accepts_before(match.start()) and not match["verb"].lower().endswith(" as")
    return bounds or SOME if known else None


def _mention(words: tuple[str, ...], bounds: Bounds | None) -> Iterator[Constraint]:
    # Forbidden words are whole ones: "can" forbids no "canary".
    if words and bounds is not None:
        yield Mentions(tuple(sorted(set(words))), bounds, whole=bounds is NONE)


def _split(text: str) -> tuple[str, ...]:
    return tuple(re.split(r"\s*,\s*(?:and |or |nor )?|\s+(?:and|or|nor)\s+", text))


def _times(text: str) -> Bounds | None:
    """Return what "at least three times" says; None where nothing is said."""
    match = _TIMES.match(text.strip())
    if match is None:
        return None
    number = parse_number(match["once"] or match["n"] or match["m"])
    relation = (match["relation"] or match["after"] or "").lower()
    if relation in ("at least", "no fewer than", "no less than", "a minimum of", "or more"):
        return Bounds(number)
    if relation == "more than":
        return Bounds(number + 1)
    if relation in ("less than", "fewer than"):
        return Bounds(most=number - 1)
    if relation in ("", "exactly"):
        return exactly(number)
    return Bounds(1, 2) if relation == "or twice" else Bounds(most=number)

"""Language, spelling and case of the whole reply."""

from __future__ import annotations

import re
from collections.abc import Iterator

from persona_constraints.grammar.clauses import Sentence
from persona_constraints.languages import LANGUAGES, OWN_NAMES
from persona_constraints.outcome import Constraint
from persona_constraints.shape import Case, InLanguage, Spelling

_LANGUAGE = "|".join(sorted(LANGUAGES, key=len, reverse=True))
_OWN = "|".join(map(re.escape, OWN_NAMES))
_ADVERBS = (
    r"(?:only|always|exclusively|just|entirely|strictly|in|to|use|using|into|with|"
    r"simple|plain|proper|formal|informal|the)"
)
_IN = re.compile(
    rf"\b(?:in|to|into|use|using|speak|only|is|be)(?:\s+{_ADVERBS})*\s+"
    rf"(?:Brazilian |European |Latin American |Mexican |Simplified |Traditional |Canadian )?"
    rf"(?P<name>{_LANGUAGE})\b(?: language)?(?! (?:words?|spelling|names?|terms?|recipes?|food))",
    re.IGNORECASE,
)
_STARTS = re.compile(
    rf"^(?P<name>{_LANGUAGE})(?: only| please| replies only| answers only|, please)+$",
    re.IGNORECASE,
)
_ENTIRE = re.compile(r"\b(?:entire|whole|entirely|completely|fully)\b", re.IGNORECASE)
_SPEAKING = re.compile(
    r"\b(?:repl(?:y|ies|ying)|respon(?:d|se|ses|ding)|answer(?:s|ing)?|speak|talk|write|writing|"
    r"communicate|converse|use|using|say|chat|output|text|message|everything|all|switch|keep|"
    r"stick|stay|address|language|explain|be|want|like|prefer)\b",
    re.IGNORECASE,
)
_OWN_WORDS = re.compile(
    r"^(?:bitte\s+)?(?:(?:ant?worte|schreib|sprich|réponds|répondez|ecris|écris|parle|responde|"
    r"responda|contesta|escribe|habla|fala|escreve|rispondi|scrivi|parla|antwoord|schrijf|svara|"
    r"svar|skriv|odpowiadaj|pisz|vastaa|отвечай|пиши|відповідай)\b[^,.]{0,30}?)\b"
    rf"(?P<name>{_OWN})\b|^(?P<name2>{_OWN})\b.{{0,12}}(?:で|回答|답)",
    re.IGNORECASE,
)
_SPELLING = re.compile(
    r"\b(?P<variety>British|UK|American|US|U\.S\.|Australian|"
    r"Commonwealth)(?: English)?(?: spellings?| English| way\b| style|"
    r" orthography)+\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:no|not|never|avoid|don['’]?t|do not|dont|without|stop|instead of|rather than)\b[^,;]*$"
    r"|n['’]t\b[^,;]*$",
    re.IGNORECASE,
)
_LOWER = r"(?:lower[ -]?case|small)(?: letters?| only)?"
_UPPER = (
    r"(?:upper[ -]?case|capitals?|all[ -]?caps|block capitals|caps|capital)(?: letters?|"
    r" only| lock)?"
)
_CASE = re.compile(
    rf"\b(?:in|all|use|using|only|be|entirely)\s+(?:(?:only|all|just|entirely|in|the)\s+)*"
    rf"(?:(?P<lower>{_LOWER})|(?P<upper>{_UPPER}))\b(?! (?:word|for|first))",
    re.IGNORECASE,
)
_CASE_FIRST = re.compile(
    rf"^(?:(?P<lower>{_LOWER})|(?P<upper>{_UPPER}))(?: only)?(?: please)?$", re.I
)
_NO_CASE = re.compile(
    r"\b(?:no|never use|without|avoid|(?:don['’]?t|do not|dont) use|never)(?: any)?\s+"
    r"(?:(?P<lower>lower[ -]?case|small letters)|(?P<upper>capital letters|capitals|upper[ -]?case|"
    r"capitalization|capitalisation))(?: letters?)?\b",
    re.IGNORECASE,
)
_OF_WORDS = re.compile(r"\bwords? (?:with|in|written in|that are)?\s*$", re.IGNORECASE)


def find_tongue(sentence: Sentence) -> Iterator[Constraint]:
    """Yield what a sentence says of language, spelling and case."""
    yield from _languages(sentence)
    yield from _spellings(sentence)
    yield from _cases(sentence)


def _languages(sentence: Sentence) -> Iterator[Constraint]:
    text = sentence.text
    own = _OWN_WORDS.search(text)
    if own:
        yield InLanguage(OWN_NAMES[(own["name"] or own["name2"]).lower()])
    start = _STARTS.search(text)
    if start:
        yield InLanguage(LANGUAGES[start["name"].lower()])
    named = [
        match
        for match in _IN.finditer(text)
        if sentence.accepts(match.start(), match.end())
        and not _NEGATED.search(text[: match.start()])
        and (_SPEAKING.search(text[: match.end()]) or match.start() == 0)
    ]
    codes = {LANGUAGES[match["name"].lower()] for match in named}
    # Two languages, such as "in French and in English", are no single one.
    if len(codes) == 1 and not re.search(
        rf"\b(?:{_LANGUAGE})\s*(?:and|or|,)\s*(?:in )?(?:{_LANGUAGE})\b", text, re.I
    ):
        yield InLanguage(codes.pop(), entire=bool(_ENTIRE.search(text)))


def _spellings(sentence: Sentence) -> Iterator[Constraint]:
    for match in _SPELLING.finditer(sentence.text):
        if not sentence.accepts(match.start(), match.end()):
            continue
        american = match["variety"].lower() in ("american", "us", "u.s.")
        if _NEGATED.search(sentence.text[: match.start()]):
            american = not american
        yield Spelling("American" if american else "British")
        return


def _cases(sentence: Sentence) -> Iterator[Constraint]:
    absent = _NO_CASE.search(sentence.text)
    if absent and sentence.accepts(absent.start(), absent.end()):
        yield Case("upper" if absent["lower"] else "lower")
        return
    for match in (*_CASE.finditer(sentence.text), *_CASE_FIRST.finditer(sentence.text)):
        if _OF_WORDS.search(sentence.text[: match.start()]):
            continue
        if sentence.accepts(match.start(), match.end()):
            wanted = not _NEGATED.search(sentence.text[: match.start()])
            yield Case("lower" if match["lower"] else "upper", wanted)
            return

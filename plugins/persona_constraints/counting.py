"""What can be counted in a reply, by the name that reasons call it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from persona_constraints.sentences import split_sentences, split_tokens, split_words

FENCE = re.compile(r"^[ \t]*(```|~~~)[^\n]*\n.*?^[ \t]*\1[ \t]*$", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"`[^`\n]+`")
BULLET = re.compile(r"^[ \t]*[*\-+•‣◦▪●–][ \t]+\S", re.MULTILINE)
RULE = re.compile(r"^[ \t]*([-*_])[ \t]*(?:\1[ \t]*){2,}$", re.MULTILINE)
NUMBERED = re.compile(r"^[ \t]*(?:\d+[.)]|\(\d+\)|[a-z][.)])[ \t]+\S", re.MULTILINE)
HEADING = re.compile(
    r"^ {0,3}#{1,6}[ \t]+\S|^(?=[^\n]*\S)[^\n]*+\n {0,3}(?:={3,}|-{3,})[ \t]*$", re.MULTILINE
)
BOLD = re.compile(r"(\*\*|__)(?=\S)(?:(?!\1).){1,500}?(?<=\S)\1", re.DOTALL)
ITALIC = re.compile(
    r"(?<![*\w])\*(?![*\s])[^*\n]+(?<![*\s])\*(?![*\w])|(?<!\w)_(?![_\s])[^_\n]+_(?!\w)"
)
TABLE = re.compile(r"^[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)+\|?[ \t]*$", re.M)
LINK = re.compile(r"\[[^\]\n]+\]\([^)\s]+\)|\bhttps?://\S+|\bwww\.\w\S+")
QUOTED = re.compile(r"\"[^\"\n]+\"|“[^”\n]+”|«[^»\n]+»")
EMOJI = re.compile(
    "[\U0001f300-\U0001faff\U0001f000-\U0001f2ff\u2600-\u26ff\u2700-\u27bf\u2b50\u2b55"
    "\u231a\u231b\u23e9-\u23f3\u25fe\u2b1b\u2b1c\u3030\u303d]|[\u0023\u002a0-9]\ufe0f?\u20e3"
    "|\u2764|\u2122\ufe0f|\u00a9\ufe0f|\u00ae\ufe0f"
)
# Signs that look like pictures, but are used as bullets and ticks in plain text.
_TEXT_SIGNS = re.compile("[\u2713\u2714\u2717\u2718\u2794\u2798-\u27bf](?!\ufe0f)")
EMOTICON = re.compile(r"(?<![\w:])(?:[:;=]['’]?-?[)(DPpOo/\\|3*]|[xX]D|<3)(?![\w/])")
_FIRST_PERSON = re.compile(r"\b(?:I|I['’](?:m|d|ll|ve)|me|my|mine|myself)\b")
_LOWER_FIRST_PERSON = re.compile(r"\b(?:me|my|mine|myself)\b", re.IGNORECASE)
_WE = re.compile(r"\b(?:we|us|our|ours|ourselves|we['’](?:re|d|ll|ve))\b", re.IGNORECASE)
_YOU = re.compile(r"\b(?:you|your|yours|yourself|you['’](?:re|d|ll|ve))\b", re.IGNORECASE)
CONTRACTION = re.compile(
    r"\b(?:\w+n['’]t|(?:I|you|he|she|it|we|they|that|there|who|what|where|how|here|let)"
    r"['’](?:m|re|s|ve|ll|d)|(?:y['’]all|ma['’]am|o['’]clock)(?!))\b",
    re.IGNORECASE,
)
_TWELVE_HOURS = re.compile(r"\b\d{1,2}(?::\d\d)?\s?(?:a\.?m\b|p\.?m\b)", re.IGNORECASE)
_TWENTY_FOUR_HOURS = re.compile(r"\b(?:1[3-9]|2[0-3]):[0-5]\d\b")
_NUMBER = r"(?:\d[\d,.]*|\d+/\d+|[½¼¾⅓⅔])[\s-]?"
IMPERIAL = re.compile(
    _NUMBER + r"(?:inch(?:es)?|in\.|feet|foot|ft|yards?|yd|miles?|mph|ounces?|oz|pounds?|lbs?|"
    r"stones?|pints?|quarts?|gallons?|gal|acres?|(?:degrees? |°\s?)F(?:ahrenheit)?|fl\.? ?oz)\b",
    re.IGNORECASE,
)
METRIC = re.compile(
    _NUMBER + r"(?:mm|cm|km|m|kph|km/h|mg|g|kg|ml|l|dl|"
    r"(?:milli|centi|kilo)?(?:met(?:re|er)s?|grams?|lit(?:re|er)s?)|kilos?|hectares?|ha|"
    r"(?:degrees? |°\s?)C(?:elsius)?|tonnes?)\b",
    re.IGNORECASE,
)
_MARKDOWN = (
    *(FENCE, _INLINE_CODE, HEADING, BOLD, ITALIC, TABLE, RULE),
    re.compile(r"\[[^\]\n]+\]\([^)\s]+\)"),
    re.compile(r"^[ \t]*[*+-][ \t]+\S", re.MULTILINE),
    re.compile(r"^ {0,3}>[ \t]?\S", re.MULTILINE),
)


def without_code(text: str) -> str:
    """Return the text without fenced blocks and code spans, whose signs are not prose."""
    return _INLINE_CODE.sub("code", FENCE.sub("", text))


def paragraphs(text: str) -> list[str]:
    """Return what stands between blank lines."""
    return [each.strip() for each in re.split(r"\n[ \t]*\n", text) if each.strip()]


def lines(text: str) -> list[str]:
    """Return the lines that are not blank."""
    return [line for line in text.splitlines() if line.strip()]


def bullet_items(text: str) -> list[str]:
    """Return the lines that begin with a bullet of any kind."""
    plain = RULE.sub("", without_code(text))
    return [line.strip() for line in plain.splitlines() if BULLET.match(line)]


def emoji(text: str) -> list[str]:
    """Return the emoji; ticks and arrows of plain text are none."""
    return EMOJI.findall(_TEXT_SIGNS.sub("", text))


def _count(pattern: re.Pattern[str]) -> Callable[[str], int]:
    return lambda text: len(pattern.findall(without_code(text)))


def _characters(signs: str) -> Callable[[str], int]:
    return lambda text: sum(text.count(sign) for sign in signs)


def _markdown_bullets(text: str) -> int:
    """Count as IFEval does: lines that begin with one asterisk or with a dash."""
    starred = re.findall(r"^\s*\*[^*].*$", text, re.MULTILINE)
    return len(starred) + len(re.findall(r"^\s*-.*$", text, re.MULTILINE))


def _highlights(text: str) -> int:
    """Count as IFEval does: parts between stars, between pairs of them too."""
    single = re.findall(r"\*[^\n*]*\*", text)
    double = re.findall(r"\*\*[^\n*]*\*\*", text)
    filled = [each for each in single if each.strip("*").strip()]
    return len(filled) + sum(bool(each[2:-2].strip()) for each in double)


def _titles(text: str) -> int:
    found = re.findall(r"<<[^\n]+>>", text)
    return sum(bool(each.lstrip("<").rstrip(">").strip()) for each in found)


def _capital_words(text: str) -> int:
    return sum(token.isupper() for token in split_tokens(text))


def _first_person(text: str) -> int:
    """Count words of the first person outside quotes; "I" as a numeral or letter is none."""
    plain = QUOTED.sub("", without_code(text))
    plain = re.sub(r"\b(?:Part|Type|War|Chapter|Act|Phase|Class) I\b", "", plain)
    singular = [m for m in re.findall(_FIRST_PERSON, plain) if m.startswith("I")]
    return len(singular) + len(_LOWER_FIRST_PERSON.findall(plain)) + len(_WE.findall(plain))


def _markdown(text: str) -> int:
    return sum(len(pattern.findall(text)) for pattern in _MARKDOWN)


def _imperial_only(text: str) -> int:
    """Count imperial amounts with no metric one beside them."""
    return sum(not METRIC.search(_around(text, m)) for m in IMPERIAL.finditer(text))


def _metric_only(text: str) -> int:
    return sum(not IMPERIAL.search(_around(text, m)) for m in METRIC.finditer(text))


def _around(text: str, match: re.Match[str]) -> str:
    return text[max(0, match.start() - 24) : match.start()] + text[match.end() :][:24]


UNITS: Mapping[str, Callable[[str], int]] = MappingProxyType(
    {
        "words": lambda text: len(split_words(text)),
        "sentences": lambda text: len(split_sentences(text)),
        "paragraphs": lambda text: len(paragraphs(text)),
        "lines": lambda text: len(lines(text)),
        "characters": lambda text: len(text.strip()),
        "bullet points": lambda text: len(bullet_items(text)),
        "markdown bullets": _markdown_bullets,
        "numbered items": lambda text: len(NUMBERED.findall(without_code(text))),
        "highlights": _highlights,
        "titles": _titles,
        "placeholders": lambda text: len(re.findall(r"\[.*?\]", text)),
        "words in capitals": _capital_words,
        "emoji": lambda text: len(emoji(text)),
        "emoticons": _count(EMOTICON),
        "headings": _count(HEADING),
        "bold parts": _count(BOLD),
        "italic parts": _count(ITALIC),
        "tables": _count(TABLE),
        "code blocks": lambda text: len(FENCE.findall(text)),
        "links": _count(LINK),
        "quotations": _count(QUOTED),
        "marks of markdown": _markdown,
        "commas": _characters(","),
        "semicolons": _characters(";"),
        "colons": _characters(":"),
        "exclamation marks": _characters("!！¡"),
        "question marks": _characters("?？¿؟"),
        "em dashes": _characters("—"),
        "parentheses": _characters("("),
        "asterisks": _characters("*"),
        "ellipses": lambda text: len(re.findall(r"\.{3,}|…", text)),
        "hashtags": _count(re.compile(r"(?<![\w#])#[A-Za-z]\w*")),
        "digits": _characters("0123456789"),
        "words of the first person": _first_person,
        "words of the second person": _count(_YOU),
        "contractions": _count(CONTRACTION),
        "12-hour times": _count(_TWELVE_HOURS),
        "24-hour times": _count(_TWENTY_FOUR_HOURS),
        "imperial amounts": _imperial_only,
        "metric amounts": _metric_only,
    }
)

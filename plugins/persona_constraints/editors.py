"""The edit of each kind of constraint: from what an editor would do to a text to what holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from persona_constraints import edits
from persona_constraints.amounts import (
    Count,
    DividedParagraphs,
    Each,
    Letter,
    Mentions,
    Sections,
)
from persona_constraints.counting import UNITS, paragraphs
from persona_constraints.sentences import split_sentences
from persona_constraints.shape import (
    Alternatives,
    Case,
    Closes,
    Json,
    OneOf,
    Opens,
    Postscript,
    Quoted,
    RepeatsRequest,
    Spelling,
    plain_quotes,
)
from persona_constraints.spelling import respelled


@dataclass(frozen=True, slots=True)
class Material:
    """What an edit may use.

    Args:
        text: The reply as it stands.
        prompt: The user's last message.
        other: Another reply to the same prompt, or empty.
        reserved: What later edits will add, which counts towards the length.
    """

    text: str
    prompt: str
    other: str
    reserved: str


def _count(constraint: Count, given: Material) -> str:
    text, bounds = given.text, constraint.bounds
    if bounds.most == 0 and constraint.unit in _REMOVALS:
        return _REMOVALS[constraint.unit](text)
    if constraint.unit in _ADDITIONS and bounds.missing(UNITS[constraint.unit](text)) > 0:
        return _ADDITIONS[constraint.unit](text, bounds.least)
    if bounds.most and constraint.unit in _CUTS:
        room = bounds.most - (UNITS[constraint.unit](given.reserved) if given.reserved else 0)
        return _CUTS[constraint.unit](text, max(1, room))
    return text


def _each(constraint: Each, given: Material) -> str:
    most = constraint.bounds.most
    if constraint.part != "paragraph" or constraint.unit != "sentences" or not most:
        return given.text
    return "\n\n".join(
        "\n\n".join(" ".join(sentences[n : n + most]) for n in range(0, len(sentences), most))
        for sentences in map(split_sentences, paragraphs(given.text))
    )


def _mentions(constraint: Mentions, given: Material) -> str:
    """Leave out the sentences with words that are not wanted, if anything is left."""
    if constraint.bounds.most != 0:
        return given.text
    kept = given.text
    for sentence in split_sentences(given.text):
        if any(constraint.pattern(word).search(sentence) for word in constraint.words):
            kept = kept.replace(sentence, "", 1)
    enough = len(kept.split()) * 2 >= len(given.text.split())
    return kept.strip() if enough else given.text


def _letter(constraint: Letter, given: Material) -> str:
    unwanted = constraint.bounds.most == 0 and not constraint.letter.isalnum()
    return edits.without_sign(given.text, constraint.letter) if unwanted else given.text


def _divided(constraint: DividedParagraphs, given: Material) -> str:
    parts = [part.strip() for part in given.text.split("***") if part.strip()]
    text = "\n\n".join(part for part in parts if part)
    return "\n***\n".join(edits.regroup(text, constraint.bounds.least))


def _sections(constraint: Sections, given: Material) -> str:
    parts = edits.regroup(given.text, constraint.bounds.least)
    marked = (f"{constraint.marker} {n}\n{part}" for n, part in enumerate(parts, 1))
    return "\n\n".join(marked)


def _alternatives(_: Alternatives, given: Material) -> str:
    first, second = (each.replace("******", "").strip() for each in (given.text, given.other))
    return f"{first}\n******\n{second}" if second else given.text


def _opens(constraint: Opens, given: Material) -> str:
    text = given.text.lstrip()
    if constraint.wanted:
        phrase = constraint.phrase.strip()
        joint = " " if phrase[-1:] in ".!?:,;…—-" else ". "
        return phrase + joint + text
    rest = plain_quotes(text)[len(constraint.phrase.strip()) :].lstrip(" ,!.:;—–-\n")
    return rest[:1].upper() + rest[1:]


def _closes(constraint: Closes, given: Material) -> str:
    phrase, text = constraint.phrase.strip(), given.text.rstrip()
    if not constraint.wanted or len(phrase) < 2:
        sentences = split_sentences(text)
        return edits.first_sentences(text, len(sentences) - 1) if not constraint.wanted else text
    # What the phrase ends may have been left half said.
    whole = text if text[-1:] in ".!?:…\"”')`*" else edits.first_sentences(text, _finished(text))
    return f"{whole.rstrip() or text}\n\n{phrase}"


def _finished(text: str) -> int:
    return max(1, len(split_sentences(text)) - 1)


def _json(constraint: Json, given: Material) -> str:
    start, end = given.text.find("{"), given.text.rfind("}")
    inner = given.text[start : end + 1]
    if start >= 0 and constraint.holds(inner, given.prompt).holds and len(inner) > 2:
        return inner
    return edits.as_json(given.text)


def _one_of(constraint: OneOf, given: Material) -> str:
    """Return the option whose own words the reply begins with; none where it begins otherwise."""
    shared = set.intersection(*(set(each.lower().split()) for each in constraint.options))
    opening = given.text.lower().replace(",", " ").replace(".", " ").split()[:12]
    for option in constraint.options:
        own = {word.strip(".,!") for word in option.lower().split() if word not in shared}
        if own and own <= set(opening):
            return option
    return given.text


def _repeats(constraint: RepeatsRequest, given: Material) -> str:
    request = (given.prompt if constraint.request is None else constraint.request).strip()
    return f"{request}\n\n{given.text.lstrip()}"


def _postscript(constraint: Postscript, given: Material) -> str:
    """Make the last paragraph, or else the last sentence, the postscript."""
    marker = constraint.marker if constraint.marker.endswith(".") else constraint.marker + "."
    parts = paragraphs(given.text)
    if len(parts) < 2:
        parts = list(split_sentences(given.text))
    if len(parts) < 2:
        return given.text
    *body, last = parts
    end = given.text.rindex(last)
    return f"{given.text[:end].rstrip()}\n\n{marker} {last}" if body else given.text


def _recased(constraint: Case, text: str) -> str:
    if not constraint.wanted:
        return edits.sentence_case(text) if constraint.case == "upper" else text
    return text.lower() if constraint.case == "lower" else text.upper()


_REMOVALS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "emoji": edits.without_emoji,
        "emoticons": edits.without_emoji,
        "bullet points": edits.without_bullets,
        "numbered items": edits.without_numbers,
        "headings": edits.without_headings,
        "bold parts": edits.without_bold,
        "italic parts": edits.without_italics,
        "tables": edits.without_tables,
        "code blocks": edits.without_code_blocks,
        "marks of markdown": edits.without_markdown,
        "commas": lambda text: edits.without_sign(text, ","),
        "semicolons": lambda text: edits.without_sign(text, ";", ","),
        "exclamation marks": edits.calm,
        "em dashes": lambda text: re.sub(r"\s*—\s*", ", ", text),
        "asterisks": lambda text: edits.without_sign(text, "*"),
        "ellipses": lambda text: re.sub(r"\.{3,}|…", ".", text),
        "hashtags": lambda text: re.sub(r"(?<![\w#])#(?=[A-Za-z])", "", text),
    }
)
_ADDITIONS: Mapping[str, Callable[[str, int], str]] = MappingProxyType(
    {
        "markdown bullets": edits.as_bullets,
        "bullet points": edits.as_bullets,
        "highlights": edits.highlighted,
        "words in capitals": edits.emphasised,
        "titles": lambda text, _: edits.titled(text),
        "numbered items": lambda text, _: edits.numbered(text),
        "paragraphs": lambda text, count: "\n\n".join(edits.regroup(text, count)),
    }
)
_CUTS: Mapping[str, Callable[[str, int], str]] = MappingProxyType(
    {
        "words": lambda text, most: edits.within(text, most, unit="words"),
        "characters": lambda text, most: edits.within(text, most, unit="characters"),
        "sentences": edits.first_sentences,
        "paragraphs": edits.first_paragraphs,
        "lines": lambda text, most: (
            edits.one_line(text) if most == 1 else edits.first_lines(text, most)
        ),
        "markdown bullets": edits.as_bullets,
        "bullet points": edits.as_bullets,
        "words in capitals": edits.unemphasised,
    }
)
EDITS: Mapping[type, Callable[..., str]] = MappingProxyType(
    {
        Count: _count,
        Each: _each,
        Mentions: _mentions,
        Letter: _letter,
        DividedParagraphs: _divided,
        Sections: _sections,
        Alternatives: _alternatives,
        Opens: _opens,
        Closes: _closes,
        Case: lambda constraint, given: _recased(constraint, given.text),
        Spelling: lambda constraint, given: respelled(given.text, constraint.variety),
        Json: _json,
        OneOf: _one_of,
        RepeatsRequest: _repeats,
        Postscript: _postscript,
        Quoted: lambda _, given: '"' + given.text.strip().strip('"') + '"',
    }
)

"""Cuts a person's message into sentences, with what surrounds each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from persona_signals.cues import (
    ASKS,
    CREATIVE,
    HYPOTHETICAL,
    OTHERS,
    PAST,
    REPORTED,
)
from persona_signals.own_words import own_mask
from persona_signals.spelling import normalise

_LONGEST = 60
_NEAR = 8  # sentences on either side that a sentence is judged by
_QUOTE = "…"
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|dr|mr|mrs|ms|st|prof|no|approx|p\.s)|\b[A-Z])\.$", re.IGNORECASE
)
_END = re.compile(
    r"[.!?…]+[\"”’')\]]*(?=\s|$)|\n+|;(?=\s)|\s(?:--?|–|—)\s|—|(?<=\s)[•*-](?=\s)|"
    r"[:;]-?[)D(](?=\s|$)"
)
# Where a new wish or fact begins inside a sentence: ", and please …", ", I'm …", "btw im …".
_FACT = (
    r"(?:i['’]?m|i am|we['’]?re|i have|i['’]ve|i live|i don['’]?t (?:eat|drink|drive|like|own|"
    r"want)|"
    r"i can['’]?t (?:have|eat|stand)|i hate|i prefer|my name|i work as|i work at|i only|i never)"
)
_ASK = (
    r"(?:please|pls|never|always|from (?:now|here) on|going forward|in (?:the )?future|can "
    r"(?:you|u)|"
    r"could (?:you|u)|stop|call me|don['’]?t ever|by default|i want you to|i['’]d like you to)"
)
_WITHIN = re.compile(
    rf"[,;]\s+(?:and\s+|but\s+|also\s+|plus\s+|oh\s+|btw\s+)*(?={_ASK}\s+\w)"
    rf"|[,;]?\s+(?:and|but|also|plus|oh and)\s+(?:also\s+|btw\s+)?(?={_ASK}\s+\w|{_FACT}\b)"
    rf"|,\s+(?={_FACT}\b)|\s+(?=btw,?\s+{_FACT}\b)|,\s+(?=(?:what|which|how|where|when|who|can "
    rf"i|is|are|do|does|any)\b[^,]*\?)",
    re.IGNORECASE,
)
_FACT_STARTS = re.compile(_FACT, re.IGNORECASE)
_SO = re.compile(
    r",?\s+so,?\s+(?=(?:what|which|how|where|when|who|can i|is|are|do|does)\b)", re.IGNORECASE
)
# Openings that are no sentence of their own.
_LEADS_ON = re.compile(
    r"^\W*(?:(?:and|also|but|oh|so)\W+)*(?:when(?:ever)?|if|for|in|on|with|unless|(?:every|any|"
    r"each) ?time|as|since|"
    r"because|being|due to|given|after|before|while|speaking|just so you know|fyi|by the way|"
    r"btw|by default|"
    r"going forwards?|from (?:now|here)|moving forward|henceforth|note|quick note|please|again|"
    r"also|thanks)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the person's own.

    Args:
        start: Where it begins in the message.
        end: Where it ends.
        text: Its words as they stand, with short quotes.
        frame: Its words, with quotes elided: nobody else's are judged.
        first: Whether it is the first of the message.
        count: How many sentences of their own the message has.
        before: The sentences just before it in the message, elided.
        after: Those just after it.
        heads_list: Whether it ends in a colon, and a list follows.
    """

    start: int
    end: int
    text: str
    frame: str
    first: bool
    count: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    heads_list: bool


def sentences_of(message: str, *, replied: bool = False) -> tuple[Sentence, ...]:
    """Return the person's own sentences, in order.

    Args:
        message: One message of the person.
        replied: Whether a reply came before it.

    Examples:
        >>> [each.text for each in sentences_of("Thanks! I'm vegan, and please never use eggs.")]
        ['Thanks!', "I'm vegan", 'please never use eggs.']
        >>> sentences_of("> from now on always use tabs")
        ()
    """
    own, quoted = own_mask(message, replied=replied)
    spans = [
        trimmed
        for start, end in _runs(own)
        for each in _cut(message, quoted, start, end)
        if (trimmed := _trim(message, *each)) is not None
    ]
    frames = tuple(_elide(message, quoted, *span) for span in spans)
    return tuple(
        Sentence(
            start=start,
            end=end,
            text=message[start:end],
            frame=frames[n],
            first=n == 0,
            count=len(spans),
            before=frames[max(0, n - _NEAR) : n],
            after=frames[n + 1 : n + 1 + _NEAR],
            heads_list=message[end : end + 1] == ":",
        )
        for n, (start, end) in enumerate(spans)
        if len(frames[n].split()) <= _LONGEST
    )


def _runs(own: bytearray) -> list[tuple[int, int]]:
    return [found.span() for found in re.finditer(rb"\x01+", bytes(own))]


def _cut(message: str, quoted: bytearray, start: int, end: int) -> list[tuple[int, int]]:
    """Return the spans of the sentences between two positions."""
    cuts = {start, end}
    for found in _END.finditer(message, start, end):
        if not quoted[found.start()] and not _ABBREVIATION.search(message[start : found.end()]):
            cuts.add(found.end())
    spans: list[tuple[int, int]] = []
    for left, right in pairwise(sorted(cuts)):
        within = {left, right}
        for pattern in (_WITHIN, _SO):
            for found in pattern.finditer(message, left, right):
                if (
                    found.start() > left
                    and not quoted[found.start()]
                    and not _belongs(message[left : found.start()], message[found.end() : right])
                ):
                    within.add(found.end())
        spans.extend(pairwise(sorted(within)))
    return spans


def _belongs(left: str, right: str) -> bool:
    """Whether the left part leads on to the right, or says whose or when the right is."""
    if _LEADS_ON.match(left) and not re.search(r"[,:;]", left.strip(" ,;:")):
        return True
    if _FACT_STARTS.match(right):
        return False
    plain = normalise(left)
    said_by_others = (start := OTHERS.match(plain)) and REPORTED.search(plain, start.end())
    return bool(said_by_others) or any(
        each.search(plain) for each in (PAST, HYPOTHETICAL, ASKS, CREATIVE)
    )


def _trim(message: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the span without white space, bullets and conjunctions around it; None if empty."""
    text = message[start:end]
    lead = re.match(r"[\s\-–—*•·,;:]*(?:\d{1,2}[.)]\s+)?", text)
    start += lead.end() if lead else 0
    tail = re.search(
        r"(?:[\s,;:–—-]|(?<=[\s,;])(?:and|but|so|also|plus|oh|btw))*\Z", message[start:end]
    )
    end = start + tail.start() if tail else end
    return (start, end) if re.search(r"\w", message[start:end]) else None


def _elide(message: str, quoted: bytearray, start: int, end: int) -> str:
    pieces: list[str] = []
    for position in range(start, end):
        if not quoted[position]:
            pieces.append(message[position])
        elif not pieces or pieces[-1] != _QUOTE:
            pieces.append(_QUOTE)
    return "".join(pieces)

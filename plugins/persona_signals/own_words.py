"""Finds the person's own words in their message: not what they quote, paste, or have others say.

Whatever looks pasted is left out, at the price of a wish that stands behind it: a wish is said
again, but an instruction taken from somebody else's text is an injection.
"""

from __future__ import annotations

import re

from persona_signals.handed_over import handed_over
from persona_signals.lexicon import words_of

_BLOCKS = (
    re.compile(r"(```|~~~).*?(?:\1|\Z)", re.DOTALL),
    re.compile(r"\"\"\".*?(?:\"\"\"|\Z)", re.DOTALL),
    re.compile(r"'''.*?(?:'''|\Z)", re.DOTALL),
    re.compile(
        r"<!--.*?(?:-->|\Z)|<(?P<tag>[A-Za-z][\w-]*)(?:\s[^<>]*)?>.*?(?:</(?P=tag)\s*>|\Z)",
        re.DOTALL,
    ),
    re.compile(r"<\|.*\Z|<<\s*SYS.*\Z|\[/?(?:INST|SYSTEM)\b.*\Z", re.DOTALL | re.IGNORECASE),
    re.compile(r"\[(?:begin|start)\b[^\]]*\].*?(?:\[end\b[^\]]*\]|\Z)", re.DOTALL | re.IGNORECASE),
    re.compile(
        r"^[ \t]*[-=*_#~+]{3,}[^\n]*\n.*?(?:^[ \t]*[-=*_#~+]{3,}[^\n]*$|\Z)",
        re.DOTALL | re.MULTILINE,
    ),
    re.compile(r"^[ \t]*(?:>|\|).*$", re.MULTILINE),
    re.compile(r"^(?: {4,}|\t)\S.*$", re.MULTILINE),
    re.compile(
        r"(?:^|(?<=[.!?:]\s))[\s#*\[({]*(?:system|assistant|developer|admin(?:istrator)?|tool|"
        r"human|user|bot|ai"
        r"|chatgpt|instructions?|new instructions?|prompt)\b[^:\n.!?]{0,25}[\])}*]*\s*:.*\Z",
        re.DOTALL | re.MULTILINE | re.IGNORECASE,
    ),
    re.compile(
        r"^[ \t]*(?:from|to|subject|sent|date|cc|re|fwd)[ \t]*:[ \t]*\S.*\n[ \t]*"
        r"(?:from|to|subject|sent|date|cc|re|fwd)[ \t]*:.*\Z",
        re.DOTALL | re.MULTILINE | re.IGNORECASE,
    ),
    re.compile(
        r"^[ \t]*(?:from|subject)[ \t]*:[ \t]*\S.*\n.*\Z", re.DOTALL | re.MULTILINE | re.IGNORECASE
    ),
    re.compile(
        r"\b(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+|every\s+|the\s+|your\s+)*"
        r"(?:previous|prior|above|earlier|preceding|other|existing|system)\b[^.!?\n]{0,30}"
        r"(?:instruction|prompt|rule|message|direction|guideline)s?\b.*\Z",
        re.DOTALL | re.IGNORECASE,
    ),
    re.compile(
        r"^[ \t]*(?:dear|hi|hello|hey)\b[^\n]{0,40},?[ \t]*\n.*?^[ \t]*(?:best|kind|warm|many|"
        r"yours|"
        r"sincerely|regards|cheers|thanks|thank you|love|xx?|all the "
        r"best)\b[^\n]{0,30}(?:\n[^\n]{1,40}$)?",
        re.DOTALL | re.MULTILINE | re.IGNORECASE,
    ),
    re.compile(r"\bdear\s+[a-z]+(?:\s+[a-z]+)?\s*,.*\Z", re.DOTALL | re.IGNORECASE),
)
_QUOTES = (
    re.compile(r"“[^”]*(?:”|\Z)|«[^»]*(?:»|\Z)|„[^“”]*(?:[“”]|\Z)|「[^」]*(?:」|\Z)"),
    re.compile(r"(?<![\d\w])\"[^\"]*(?:\"|\Z)"),
    re.compile(r"(?<!\w)[‘'](?=\w)(?:[^'’\n]|['’](?=\w))*?[.!?,]?['’](?!\w)"),
    re.compile(r"`[^`\n]*`"),
)
_SPEAKER = re.compile(
    r"^[ \t]*\**(?P<who>[A-Z][\w.'’-]*(?: [A-Z][\w.'’-]*){0,2}|me|him|her|them|us|he|she|q|"
    r"a)\**[ \t]*:[ \t]+\S.*$",
    re.MULTILINE,
)
_OWN_LABELS = words_of("own_labels")
_LONGEST_QUOTE = 7


def own_mask(text: str, *, replied: bool) -> tuple[bytearray, bytearray]:
    """Return two masks over the characters: of own words, and of short quotes within them.

    Args:
        text: One message of the person.
        replied: Whether a reply came before that "this" may mean.
    """
    own, quoted = bytearray(b"\1" * len(text)), bytearray(len(text))
    for pattern in _BLOCKS:
        for found in pattern.finditer(text):
            _clear(own, *found.span())
    for pattern in _QUOTES:
        for found in pattern.finditer(text):
            is_short = len(found.group().split()) <= _LONGEST_QUOTE and "\n" not in found.group()
            if is_short:
                quoted[found.start() : found.end()] = b"\1" * (found.end() - found.start())
            else:
                _clear(own, *found.span())
    for start, end in handed_over(text, replied=replied):
        _clear(own, start, end)
    _clear_speakers(text, own)
    return own, quoted


def _clear_speakers(text: str, own: bytearray) -> None:
    """Leave out the lines of a script: at least two that begin with a speaker."""
    lines = [
        found
        for found in _SPEAKER.finditer(text)
        if found["who"].casefold().rstrip(".") not in _OWN_LABELS
    ]
    if len(lines) >= 2:
        for found in lines:
            end = text.find("\n\n", found.start())
            _clear(own, found.start(), len(text) if end < 0 else end)


def _clear(mask: bytearray, start: int, end: int) -> None:
    mask[start:end] = bytes(end - start)

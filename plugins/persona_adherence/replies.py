"""Takes a reply apart: clauses, which of them deny something, the stems of words, the numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from persona_adherence.cues import read_cues

_MOST_CLAUSES = 40
_BOUNDARY = re.compile(
    r"[;:!?()\n–—]+|[,.]+(?!\d)|\s-\s|\b(?:with|and|or|featuring|offering|that|which|who|but|while|where)\b"
)
_DENIES = re.compile(
    r"\b(?:no|not|non|without|free (?:of|from)|avoid\w*|instead of|rather than|minus|lacks?|skip\w*"
    r"|never|leav\w+ out|omit\w*|exclud\w+|zero|neither|nor|cannot|\w+n['’]t|little|hardly|minimal"
    r"|replac\w+|alternative to|unlike|away from|less)\b|\w-free\b|\bnon-",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_][\w'’]*")
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
_STOP = frozenset(read_cues()["stop"])


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply, taken apart.

    Args:
        text: All of it.
        clauses: Its clauses, at most 40 spread over it; at least one.
        denied: Whether a clause denies something ("without nuts"), one for each.
        stems: Of words in clauses that deny nothing.
        denied_stems: Of words in clauses that do.
        numbers: As they stand in it.
    """

    text: str
    clauses: tuple[str, ...]
    denied: tuple[bool, ...]
    stems: frozenset[str]
    denied_stems: frozenset[str]
    numbers: tuple[float, ...]


@lru_cache(maxsize=4096)
def take_apart(text: str) -> Reply:
    """Return the parts of a reply.

    Examples:
        >>> reply = take_apart("Pesto without nuts, and 2 rolls.")
        >>> reply.clauses, reply.denied, reply.numbers
        (('Pesto without nuts', '2 rolls'), (True, False), (2.0,))
    """
    clauses = [each.strip(" '\"*#-") for each in _BOUNDARY.split(text)]
    clauses = [each for each in clauses if len(each) > 2] or [text]
    if len(clauses) > _MOST_CLAUSES:
        step = len(clauses) / _MOST_CLAUSES
        clauses = [clauses[int(n * step)] for n in range(_MOST_CLAUSES)]
    denied = tuple(bool(_DENIES.search(each)) for each in clauses)
    said = [each for each, no in zip(clauses, denied, strict=True) if not no]
    refused = [each for each, no in zip(clauses, denied, strict=True) if no]
    return Reply(
        text, tuple(clauses), denied, stems(" ".join(said)), stems(" ".join(refused)), numbers(text)
    )


@lru_cache(maxsize=8192)
def stems(text: str) -> frozenset[str]:
    """Return the first five letters of each word that carries meaning."""
    words = (each.casefold() for each in _WORD.findall(text))
    return frozenset(each[:5].rstrip("s") for each in words if len(each) > 2 and each not in _STOP)


def numbers(text: str) -> tuple[float, ...]:
    """Return the numbers written in digits."""
    return tuple(float(each.replace(",", "")) for each in _NUMBER.findall(text))

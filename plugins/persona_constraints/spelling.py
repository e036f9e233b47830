"""British and American spelling: words that only one of the two writes so."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Literal

from persona_constraints.counting import LINK, QUOTED, without_code

Variety = Literal["British", "American"]
_DATA = Path(__file__).parent / "data" / "spelling.txt"
_IZE = re.compile(
    r"\b[a-z]{2,}(?:iz(?:e|es|ed|er|ers|ing|ation|ations)|yz(?:e|es|ed|er|ers|ing))\b"
)
# Written with z on both sides of the Atlantic.
_ALWAYS_Z = re.compile(
    r"(?:(?:re|down|over|up|under|mid|out|super|cap|as)?siz|priz|seiz|maiz|baiz|"
    r"bliz|fiz|friz|quiz|whiz|gaz|bulldoz)z?(?:e|es|ed|er|ers|ing)$"
)


@lru_cache(maxsize=1)
def _entries() -> tuple[tuple[str, str], ...]:
    """Return pairs of an American and a British word.

    Each line of the file has an American and a British stem, and the endings that both take;
    a dash stands where the other's form is no mistake ("program").
    """
    found = []
    for line in _DATA.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        us, gb, *endings = line.split()
        for ending in endings or ["."]:
            suffix = "" if ending == "." else ending
            found.append(tuple("-" if each == "-" else each + suffix for each in (us, gb)))
    return tuple((us, gb) for us, gb in found)


@lru_cache(maxsize=1)
def _words() -> dict[Variety, frozenset[str]]:
    """Return what only Americans write, and what only Britons do."""
    american = {us for us, _ in _entries()} - {"-"}
    british = {gb for _, gb in _entries()} - {"-"}
    return {"American": frozenset(american - british), "British": frozenset(british - american)}


def foreign_spellings(text: str, wanted: Variety) -> list[str]:
    """Return the words of a text that the wanted variety spells otherwise.

    Names ("Pearl Harbor"), quotations, code and links are left out. The British -ize of Oxford
    is taken as American, as most readers do.

    Examples:
        >>> foreign_spellings("My favorite colour is gray. I realize it.", "British")
        ['favorite', 'gray', 'realize']
        >>> foreign_spellings("My favorite colour is gray. I realize it.", "American")
        ['colour']
    """
    plain = QUOTED.sub("", LINK.sub("", without_code(text)))
    plain = re.sub(r"\b[A-Z][\w'’]*(?:\s+[A-Z][\w'’]*)+", _without_names, plain)
    words = re.findall(r"[a-z]+", plain.lower())
    other: Variety = "American" if wanted == "British" else "British"
    foreign = _words()[other]
    return [word for word in words if word in foreign or (wanted == "British" and _is_ize(word))]


def respelled(text: str, wanted: Variety) -> str:
    """Return the text with the words that the wanted variety spells otherwise spelled so.

    Examples:
        >>> respelled("My Favorite color is gray.", "British")
        'My Favourite colour is grey.'
    """
    other: Variety = "American" if wanted == "British" else "British"
    words = _pairs(other)

    def respell(match: re.Match[str]) -> str:
        word = words.get(match[0].lower(), match[0].lower())
        if word == match[0].lower():
            return match[0]
        return (
            word.upper() if match[0].isupper() else word.title() if match[0][0].isupper() else word
        )

    return re.sub(r"[A-Za-z]+", respell, text)


@lru_cache(maxsize=2)
def _pairs(variety: Variety) -> dict[str, str]:
    """Return each word that only this variety writes, with the other's."""
    foreign = _words()[variety]
    found: dict[str, str] = {}
    for us, gb in _entries():
        here, there = (us, gb) if variety == "American" else (gb, us)
        if here in foreign and "-" not in (us, gb):
            found[here] = there
    return found


def _is_ize(word: str) -> bool:
    return bool(_IZE.fullmatch(word)) and not _ALWAYS_Z.fullmatch(word)


def _without_names(match: re.Match[str]) -> str:
    """Leave out words in capitals beside one another, unless all letters are."""
    return match[0] if match[0].isupper() else ""

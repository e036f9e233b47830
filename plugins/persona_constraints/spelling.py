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
def _words() -> dict[Variety, frozenset[str]]:
    """Return what only Americans write, and what only Britons do.

    Each line of the file has an American and a British stem, and the endings that both take;
    a dash stands where the other's form is no mistake ("program").
    """
    american: set[str] = set()
    british: set[str] = set()
    for line in _DATA.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        us, gb, *endings = line.split()
        for ending in endings or ["."]:
            suffix = "" if ending == "." else ending
            american.update([us + suffix] if us != "-" else [])
            british.update([gb + suffix] if gb != "-" else [])
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


def _is_ize(word: str) -> bool:
    return bool(_IZE.fullmatch(word)) and not _ALWAYS_Z.fullmatch(word)


def _without_names(match: re.Match[str]) -> str:
    """Leave out words in capitals beside one another, unless all letters are."""
    return match[0] if match[0].isupper() else ""

"""Lists of words."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path

_FILE = Path(__file__).parent / "words.toml"


def words_of(name: str) -> frozenset[str]:
    """Return a list of ``words.toml``.

    Examples:
        >>> "always" in words_of("english")
        True
    """
    return frozenset(_lists()[name].split())


def alternatives(name: str) -> str:
    """Return a list of ``words.toml`` as one group of a regular expression.

    Examples:
        >>> "says?" in alternatives("says")
        True
    """
    return f"(?:{'|'.join(' '.join(_lists()[name].split()).split(', '))})"


@lru_cache(maxsize=1)
def _lists() -> dict[str, str]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))

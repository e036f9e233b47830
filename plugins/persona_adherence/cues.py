"""Reads the words that tell what is wanted and unwanted, one regular expression a line."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

DATA = Path(__file__).parent / "data"


@lru_cache(maxsize=1)
def read_cues() -> dict[str, tuple[str, ...]]:
    """Return the expressions of each section of ``cues.txt``, in its order."""
    found: dict[str, tuple[str, ...]] = {}
    for block in (DATA / "cues.txt").read_text(encoding="utf-8").split("@")[1:]:
        name, *lines = block.strip().splitlines()
        found[name] = tuple(lines)
    return found


def any_of(section: str) -> str:
    """Return one expression for all of a section."""
    return "|".join(read_cues()[section])

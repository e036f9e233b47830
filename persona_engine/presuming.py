"""What is presumed of a user who has said little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from persona_engine.types import Evidence, Neighbour, Population, Scope


@dataclass(frozen=True, slots=True, eq=False)
class Presumption:
    """What is presumed of one person.

    Args:
        evidence: What people like them said, weighed.
        neighbours: Who they are, nearest first.
    """

    evidence: Evidence
    neighbours: tuple[Neighbour, ...]


Presumes = Callable[[Scope, Population], Presumption | None]
"""Returns what is presumed of a user, or None where the plain prior holds."""

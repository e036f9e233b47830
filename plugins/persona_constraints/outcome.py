"""What every constraint answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a reply keeps a constraint.

    Args:
        holds: Whether it does.
        reason: What was seen, in words.
    """

    holds: bool
    reason: str


class Constraint(Protocol):
    """Something that a program can check of a reply. Equal constraints ask the same."""

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply to a prompt, which is the user's last message."""

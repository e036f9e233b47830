"""Rules that stand trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from persona_principles.choices import Doubles, Mask, sides


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A rule, and how much better the preferred replies follow it.

    Args:
        text: The rule as an instruction.
        attribute: The named attribute that it is about, or None.
        lead: Of the preferred reply, as in `Choices`, ``(d,)``.
        tested: Units that did not propose it, ``(U,)``; None for all of them.
    """

    text: str
    attribute: str | None
    lead: Doubles
    tested: Mask | None = None


def both_ways(
    low: str,
    high: str,
    difference: Doubles,
    least: float,
    *,
    attribute: str | None = None,
) -> tuple[Candidate, Candidate]:
    """Return the rules for less and for more of something.

    Args:
        low: The rule for less.
        high: The rule for more.
        difference: How much more of it the preferred replies have, ``(d,)``.
        least: Smaller differences say nothing.
        attribute: The named attribute that it is.
    """
    lead = difference / least
    return Candidate(low, attribute, -lead), Candidate(high, attribute, lead)


def without_repeats(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that favour something, of equal ones the first.

    Of two rules that favour the same reply everywhere no choice could tell which is meant.
    """
    seen: set[bytes] = set()
    kept = []
    for each in candidates:
        favours = sides(each.lead)
        if favours.any() and favours.tobytes() not in seen:
            seen.add(favours.tobytes())
            kept.append(each)
    return kept

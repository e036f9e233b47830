"""What people say about replies, turned into comparisons that a reward model can learn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from persona_engine.errors import InvalidInputError

RATING_WEIGHT = 0.5
"""A thumb tells less than a comparison: the person did not see the other candidates."""


@dataclass(frozen=True, slots=True)
class Preference:
    """One text preferred to another, before it becomes an event.

    Args:
        chosen: The preferred text.
        rejected: The other.
        weight: Strength; 1 for a plain comparison.
        source: What it was made from: ``rating``, ``edit``, ``choice`` or ``ranking``.
    """

    chosen: str
    rejected: str
    weight: float
    source: str


def from_rating(text: str, candidates: Sequence[str], value: float) -> tuple[Preference, ...]:
    """Compare a rated reply with the other candidates of its call.

    A rating above 0 prefers the reply to each other candidate, one below 0 each of them to it;
    the weights of one rating sum to `RATING_WEIGHT` times its size. Without other candidates a
    rating says nothing that rewards could learn from, and there are no comparisons.

    Args:
        text: The reply that was rated.
        candidates: Every candidate of the call.
        value: −1 to 1.

    Raises:
        InvalidInputError: ``value`` is not a number from −1 to 1.

    Examples:
        >>> [each.weight for each in from_rating("a", ["a", "b", "c"], 1.0)]
        [0.25, 0.25]
    """
    check_rating(value)
    others = [each for each in dict.fromkeys(candidates) if each != text and each.strip()]
    if value == 0.0 or not others or not text.strip():
        return ()
    weight = RATING_WEIGHT * abs(value) / len(others)
    return tuple(
        Preference(text, other, weight, "rating")
        if value > 0
        else Preference(other, text, weight, "rating")
        for other in others
    )


def from_edit(text: str, better: str) -> tuple[Preference, ...]:
    """Prefer the text that the person would have liked to the reply they got.

    Raises:
        InvalidInputError: ``better`` is blank or the same as the reply.
    """
    if not isinstance(better, str) or not better.strip():
        raise InvalidInputError(f"better is {better!r}, expected the text that would have pleased")
    if better.strip() == text.strip():
        raise InvalidInputError(
            "better is the reply itself, expected another text",
            remedy="use rating=+1 to say that the reply was good",
        )
    if not text.strip():
        return ()
    return (Preference(better, text, 1.0, "edit"),)


def from_choice(candidates: Sequence[str], chosen: int | str) -> tuple[Preference, ...]:
    """Prefer the candidate that the person picked to each of the others.

    Picking one of ``n`` is one act: the weights sum to 1.

    Args:
        candidates: What the person saw.
        chosen: Position of the picked one, or its text.

    Raises:
        InvalidInputError: There is no such candidate, or nothing to compare it with.
    """
    if isinstance(chosen, bool) or not isinstance(chosen, int | str):
        raise InvalidInputError(f"chosen is {chosen!r}, expected a position or a candidate's text")
    if isinstance(chosen, str):
        if chosen not in candidates:
            raise InvalidInputError(
                f"chosen is {chosen[:80]!r}, which is none of the {len(candidates)} candidates",
                remedy="pass its position, or better=… for a text of one's own",
            )
        chosen = list(candidates).index(chosen)
    if not 0 <= chosen < len(candidates):
        raise InvalidInputError(f"chosen is {chosen!r}, expected 0 to {len(candidates) - 1}")
    picked = candidates[chosen]
    others = [each for each in dict.fromkeys(candidates) if each != picked and each.strip()]
    if not others or not picked.strip():
        raise InvalidInputError("there is no other candidate that it was chosen over")
    return tuple(Preference(picked, each, 1.0 / len(others), "choice") for each in others)


def from_ranking(candidates: Sequence[str], ranking: Sequence[int]) -> tuple[Preference, ...]:
    """Prefer each ranked candidate to those ranked below it.

    Breaking a whole ranking into its pairs, equally weighted, is a consistent estimator of the
    Plackett–Luce model (Azari Soufiani et al. 2013, "Generalized method-of-moments for rank
    aggregation"). A ranking of ``n`` is ``n - 1`` choices: the weights sum to that.

    Args:
        candidates: What the person saw.
        ranking: Positions of two or more of them, best first; those left out say nothing.

    Raises:
        InvalidInputError: A position is unknown or occurs twice, or fewer than two differ.

    Examples:
        >>> [(each.chosen, each.rejected) for each in from_ranking(["a", "b", "c"], [2, 0, 1])]
        [('c', 'a'), ('c', 'b'), ('a', 'b')]
    """
    known = range(len(candidates))
    whole = all(isinstance(each, int) and not isinstance(each, bool) for each in ranking)
    if not whole or any(each not in known for each in ranking) or len(set(ranking)) < len(ranking):
        raise InvalidInputError(
            f"ranking is {ranking!r}, expected different positions from 0 to {len(candidates) - 1}"
        )
    order = [candidates[each] for each in ranking if candidates[each].strip()]
    pairs = [(a, b) for place, a in enumerate(order) for b in order[place + 1 :] if a != b]
    if not pairs:
        raise InvalidInputError(
            f"ranking {ranking!r} orders no two different candidates, expected at least two"
        )
    weight = (len(order) - 1) / len(pairs)
    return tuple(Preference(a, b, weight, "ranking") for a, b in pairs)


def check_rating(value: float) -> None:
    """Raise unless a rating is a number from −1 to 1.

    Raises:
        InvalidInputError: It is not.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not -1.0 <= value <= 1.0:
        raise InvalidInputError(
            f"rating is {value!r}, expected a number from -1 (bad) to +1 (good)"
        )

"""A person's tastes as wishes in words, under which candidates may be drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from persona_engine.instructions.escape import escape_text
from persona_engine.onboarding import Attribute
from persona_engine.types import Taste

SURE = 0.75
"""Least probability of which pole is liked, from which a taste is put into words."""

_MOST = 4


def wishes(
    tastes: Sequence[Taste], attributes: Mapping[str, Attribute], *, sure: float = SURE
) -> tuple[str, ...]:
    """Return what to ask of a language model for somebody, what suits them most first.

    The tastes of which the posterior is surest are asked for one by one, then in twos, each towards
    the pole that is liked: samples under different wishes differ more than those of one prompt do.
    Each is one line that is safe in a prompt.

    Args:
        tastes: Strongest first, as `persona_engine.onboarding.tastes` gives them.
        attributes: By name.
        sure: Least probability of which pole is liked.

    Examples:
        >>> from persona_engine.onboarding import bank_attributes
        >>> known = {each.name: each for each in bank_attributes()}
        >>> brief = Taste("length", "concise", "detailed", -4.0, 0.5)
        >>> wishes([brief], known)
        ('Answer in one or two short sentences.',)
    """
    said = [
        escape_text(wish)
        for taste in tastes
        if _certainty(taste) >= sure and (wish := _wish(taste, attributes))
    ][:_MOST]
    pairs = [f"{a} {b}" for i, a in enumerate(said) for b in said[i + 1 :]]
    return tuple(dict.fromkeys((*said, *pairs)))


def _wish(taste: Taste, attributes: Mapping[str, Attribute]) -> str:
    attribute = attributes.get(taste.style)
    if attribute is None:
        return ""
    return attribute.high_wish if taste.mean > 0 else attribute.low_wish


def _certainty(taste: Taste) -> float:
    """Return P(the pole of the mean is liked), the taste being normal."""
    if taste.std == 0.0:
        return 1.0
    return 0.5 * (1.0 + math.erf(abs(taste.mean) / taste.std / math.sqrt(2.0)))

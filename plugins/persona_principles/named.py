"""Rules about named attributes: which reply has more of it, by a head fitted to labelled pairs."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from persona_engine.errors import InvalidInputError
from persona_engine.modelling import fit_attribute_heads
from persona_engine.types import AttributePairs
from persona_principles.candidates import Candidate, both_ways
from persona_principles.choices import Choices

WORDS = MappingProxyType(
    {
        "reasons first": "Give the reasons first and the conclusion after them.",
        "bottom line first": "Start with the bottom line, then explain.",
        "diplomatic": "Be diplomatic.",
        "blunt": "Be blunt: say directly what is wrong.",
        "no emoji": "Do not use emoji.",
        "emoji": "Use emoji.",
        "general principles": "Explain the general principle rather than single cases.",
        "concrete examples": "Give concrete examples.",
        "literal": "Be literal: no analogies or metaphors.",
        "analogies": "Explain with analogies.",
        "casual": "Write in a casual tone.",
        "formal": "Write in a formal tone.",
        "definite": "Be definite: give one clear answer without hedging.",
        "cautious": "Be cautious: say what is uncertain.",
        "serious": "Keep a serious tone, without jokes.",
        "humorous": "Use humour.",
        "only what was asked": "Answer only what was asked.",
        "suggests next steps": "Suggest what to do next.",
        "concise": "Keep replies concise.",
        "detailed": "Give detailed replies.",
        "plain facts": "Give plain facts rather than a story.",
        "told as a story": "Tell it as a story.",
        "what to do": "Say what to do rather than why.",
        "why it is so": "Explain why it is so.",
        "assumes and answers": "Make reasonable assumptions and answer, without asking back.",
        "asks back": "Ask back when something is unclear before you settle on an answer.",
        "flowing prose": "Write in flowing prose, without lists.",
        "lists and steps": "Use lists and numbered steps.",
        "plain words": "Use plain words, without jargon.",
        "technical": "Go into technical depth and use the technical terms.",
        "matter-of-fact": "Keep to the matter: no small talk or sympathy.",
        "warm": "Be warm and encouraging.",
    }
)
"""The rule for each pole of the bank's styles."""


def named_candidates(
    choices: Choices, attributes: Sequence[AttributePairs], *, least_difference: float
) -> list[Candidate]:
    """Return two rules for each attribute, one a pole.

    Args:
        choices: The decided comparisons.
        attributes: Labelled pairs in the same features.
        least_difference: Smaller differences between two replies say nothing; the two poles differ
            by 1 on average.

    Raises:
        InvalidInputError: The attributes have other features than the comparisons, or none of
            their pairs differ in features.
    """
    if not attributes or not len(choices.rows):
        return []
    for each in attributes:
        if each.high.shape[1] != choices.apart.shape[1]:
            raise InvalidInputError(
                f"the pairs of {each.name!r} have {each.high.shape[1]} features, expected "
                f"{choices.apart.shape[1]} as the comparisons have",
                remedy="encode both with the same encoder",
            )
    heads = fit_attribute_heads(attributes)
    differences = choices.apart @ heads.directions  # (d, K)
    found: list[Candidate] = []
    for place, each in enumerate(attributes):
        low, high = rules_of(each)
        found += both_ways(low, high, differences[:, place], least_difference, attribute=each.name)
    return found


def rules_of(attribute: AttributePairs) -> tuple[str, str]:
    """Return the rule for the low pole and the one for the high pole.

    Examples:
        >>> import numpy as np
        >>> one = np.ones((1, 1), np.float32)
        >>> rules_of(AttributePairs("length", one, 0 * one, ("concise", "detailed")))
        ('Keep replies concise.', 'Give detailed replies.')
        >>> rules_of(AttributePairs("pirate", one, 0 * one))
        ('Prefer replies that are less like this: pirate.',
         'Prefer replies that are more like this: pirate.')
    """
    if attribute.poles is None:
        name = attribute.name.replace("_", " ")
        return (
            f"Prefer replies that are less like this: {name}.",
            f"Prefer replies that are more like this: {name}.",
        )
    low, high = (WORDS.get(pole, f"Prefer this style: {pole}.") for pole in attribute.poles)
    return low, high

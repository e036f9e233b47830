"""Named attributes of replies, shown by pairs that differ in one; the bank's styles are such."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from persona_engine.onboarding.bank import STYLES, question_bank
from persona_engine.onboarding.wishes import WISHES
from persona_engine.types import Question


@dataclass(frozen=True, slots=True)
class Attribute:
    """One way in which replies differ, shown by pairs that differ in it.

    Args:
        name: Stable name.
        low: The low pole in words.
        high: The high pole in words.
        pairs: Questions whose two replies are at the two poles.
        low_words: Further words for the low pole.
        high_words: Further words for the high pole.
        low_wish: What to ask of a language model for the low pole.
        high_wish: The same for the high pole.
    """

    name: str
    low: str
    high: str
    pairs: tuple[Question, ...]
    low_words: tuple[str, ...] = ()
    high_words: tuple[str, ...] = ()
    low_wish: str = ""
    high_wish: str = ""


@cache
def bank_attributes() -> tuple[Attribute, ...]:
    """Return the bank's styles as attributes.

    Examples:
        >>> len(bank_attributes()), len(bank_attributes()[0].pairs)
        (16, 8)
    """
    pairs: dict[str, list[Question]] = {name: [] for name in STYLES}
    for question in question_bank():
        pairs[str(question.style)].append(question)
    return tuple(
        Attribute(
            style.name,
            style.low,
            style.high,
            tuple(pairs[style.name]),
            style.low_words,
            style.high_words,
            *WISHES[style.name],
        )
        for style in STYLES.values()
    )

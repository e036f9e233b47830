"""The attributes that an engine knows, by every word for either of their poles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Self

from persona_engine.attributes.files import plain_word, read_attributes
from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.onboarding import STYLES, Attribute, bank_attributes, replies
from persona_engine.store import NewComparison
from persona_engine.types import Question

ANSWERS = 4.0
"""Answers to questions of an attribute that a strength of 1 counts as."""

MOST = 10.0
"""Greatest strength."""


class Attributes:
    """The attributes that an engine knows, by every word that names one of their poles.

    Args:
        attributes: The attributes.

    Raises:
        ConfigError: Two of them share a word.

    Examples:
        >>> Attributes(bank_attributes()).resolve("concise")
        ('length', -1.0)
        >>> Attributes(bank_attributes()).resolve("humour")
        ('humour', 1.0)
    """

    def __init__(self, attributes: Iterable[Attribute]) -> None:
        self.all: Mapping[str, Attribute] = MappingProxyType({a.name: a for a in attributes})
        self._words: dict[str, tuple[str, float]] = {}
        for attribute in self.all.values():
            self._learn(attribute)

    @classmethod
    def known(cls, path: Path | None) -> Self:
        """Return the bank's styles and those of a host's file.

        Raises:
            ConfigError: The file cannot be read, or uses a name that is taken.
        """
        return cls([*bank_attributes(), *(read_attributes(path) if path else ())])

    @property
    def own(self) -> tuple[Attribute, ...]:
        """The host's own attributes: all but the bank's."""
        return tuple(each for each in self.all.values() if each.name not in STYLES)

    def resolve(self, word: str) -> tuple[str, float]:
        """Return the attribute that a word names, and +1 for its high or -1 for its low pole.

        Raises:
            InvalidInputError: No attribute is called so.
        """
        try:
            return self._words[plain_word(word)]
        except KeyError:
            raise self._unknown(word) from None

    def signed(self, strengths: Mapping[str, float | None]) -> dict[str, float]:
        """Return the strength towards the high pole of each attribute named; 0 for None.

        Raises:
            InvalidInputError: A name is unknown, two name the same attribute, or a strength is no
                number from -10 to 10.
        """
        found: dict[str, float] = {}
        for word, strength in strengths.items():
            name, sign = self.resolve(word)
            if name in found:
                raise InvalidInputError(f"{word!r} names {name!r}, which another word names too")
            found[name] = sign * _checked(word, strength)
        return found

    def pairs_of(self, steering: Mapping[str, float]) -> list[NewComparison]:
        """Return steering as comparisons: a strength of 1 is spread over all pairs as 4 answers.

        Attributes that are not known any more are left out.
        """
        return [
            _comparison(pair, strength > 0, ANSWERS * abs(strength) / len(self.all[name].pairs))
            for name, strength in sorted(steering.items())
            if name in self.all
            for pair in self.all[name].pairs
        ]

    def in_words(self, steering: Mapping[str, float]) -> str:
        """Return steering by the names of the poles.

        Examples:
            >>> Attributes(bank_attributes()).in_words({"length": -1.0, "humour": 0.5})
            'humorous +0.5, concise +1'
        """
        said = []
        for name, strength in sorted(steering.items()):
            attribute = self.all.get(name)
            pole = name if attribute is None else (attribute.low, attribute.high)[strength > 0]
            said.append(f"{pole} {abs(strength) if attribute else strength:+g}")
        return ", ".join(said)

    def _learn(self, attribute: Attribute) -> None:
        poles = (
            (1.0, (attribute.name, attribute.high, *attribute.high_words)),
            (-1.0, (attribute.low, *attribute.low_words)),
        )
        for sign, words in poles:
            for word in words:
                meaning = (attribute.name, sign)
                known = self._words.setdefault(plain_word(word), meaning)
                if known != meaning:
                    raise ConfigError(
                        f"{word!r} names both {known[0]!r} and {attribute.name!r}",
                        remedy="rename the attribute in the file that `attributes` names",
                    )

    def _unknown(self, word: str) -> InvalidInputError:
        near = get_close_matches(plain_word(word), self._words, n=3, cutoff=0.6)
        known = ", ".join(f"{a.name} ({a.low} – {a.high})" for a in self.all.values())
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        return InvalidInputError(
            f"no attribute is called {word!r}; known are {known}",
            remedy=f"{meant}name an attribute or one of its poles",
        )


def _comparison(pair: Question, high: bool, weight: float) -> NewComparison:
    low_reply, high_reply = replies(pair)
    chosen, rejected = (high_reply, low_reply) if high else (low_reply, high_reply)
    return NewComparison(
        pair.prompt, chosen, rejected, weight=weight, source="steering", question=pair.id
    )


def _checked(word: str, strength: object) -> float:
    if strength is None:
        return 0.0
    number = isinstance(strength, int | float) and not isinstance(strength, bool)
    if not number or not math.isfinite(strength) or abs(strength) > MOST:  # type: ignore[arg-type]
        raise InvalidInputError(
            f"{word!r} is steered by {strength!r}, expected a number from {-MOST:g} to {MOST:g}",
            remedy="1 counts as four answers that way; 0 or None takes it back",
        )
    return float(strength)  # type: ignore[arg-type]

"""Says what was written in one of the ways of `phrases`, from a pool that is drawn once.

The pool is finite so that every sentence is encoded once, however many examples hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from persona_applicability import phrases
from persona_applicability.material import Material, Service, Slot, Taste

_VALUES = 4
_WAYS = 3
_PLAIN_REQUESTS = 10
_STATED_WAYS = 3
_TASTE_WAYS = 3


@dataclass(frozen=True, slots=True)
class Line:
    """An instruction and the value that it asks for."""

    text: str
    value: str


class Phrasebook:
    """A pool of sentences.

    Args:
        material: What was written by hand.
        rng: Decides on values and templates.
        held_out: Whether to use the templates that training never sees.
    """

    def __init__(
        self, material: Material, rng: np.random.Generator, *, held_out: bool = False
    ) -> None:
        self._rng = rng
        self._held_out = held_out
        self._general = material.general[::4] if held_out else material.general
        self._values = {
            (each.label, at): _some(slot.values, _VALUES, rng)
            for each in material.services
            for at, slot in enumerate(each.slots)
        }
        self._pool: dict[tuple[Any, ...], list[Any]] = {}

    def value(self, service: Service, at: int, rng: np.random.Generator) -> str:
        """Return one of the slot's values."""
        return _one(self._values[service.label, at], rng)

    def wish(
        self, service: Service, at: int, rng: np.random.Generator, *, like: str | None = None
    ) -> Line:
        """Return a wish about a slot; one time in eight about the value that was asked for."""
        value = like if like and rng.random() < 0.125 else self.value(service, at, rng)
        slot = service.slots[at]

        def say() -> str:
            return self._say(phrases.WISHES, service, n=slot.names, v=value, slot=slot)

        return Line(self._pooled(("wish", service.label, at, value), _WAYS, say, rng), value)

    def chain(
        self, service: Service, slots: tuple[int, int], value: str, rng: np.random.Generator
    ) -> Line:
        """Return a wish about the second slot for when the first has this value."""
        first, second = (service.slots[at] for at in slots)
        follows = self.value(service, slots[1], rng)
        named = rng.random() < 0.25
        templates = phrases.SERVICE_CHAINS if named else phrases.CHAINS

        def say() -> str:
            return self._say(
                templates, service, n=first.names, v=value, m=second.names, w=follows, slot=first
            )

        key = ("chain", service.label, slots, value, follows, named)
        return Line(self._pooled(key, 2, say, rng), follows)

    def also(self, service: Service, other: Service, rng: np.random.Generator) -> Line:
        """Return a wish to look at another service besides."""

        def say() -> str:
            named = _one([other.label, other.label, other.things[0]], self._rng)
            return self._say(phrases.ALSO, service, M=[_spaced(named, self._rng)])

        key = ("also", service.label, other.label)
        return Line(self._pooled(key, _WAYS, say, rng), other.label)

    def request(
        self, service: Service, stated: dict[int, str], rng: np.random.Generator
    ) -> tuple[str, ...]:
        """Return the user's turns: one, or two of which the last answers a question."""

        def say() -> tuple[str, ...]:
            return self._request(service, stated)

        key = ("request", service.label, tuple(sorted(stated.items())))
        ways = _STATED_WAYS if stated else _PLAIN_REQUESTS
        return self._pooled(key, ways, say, rng)  # type: ignore[no-any-return]

    def taste(self, taste: Taste, rng: np.random.Generator) -> str:
        """Return a taste in words."""
        templates = {"-": phrases.AVERSE, "+": phrases.FOND, "=": phrases.PLAIN}[taste.sign]

        def say() -> str:
            chosen = _one(self._templates(templates), self._rng)
            return _capital(chosen.format(x=taste.what, y=taste.why))

        key = ("taste", taste.topic, taste.what)
        return str(self._pooled(key, _TASTE_WAYS, say, rng))

    def general(self, rng: np.random.Generator) -> str:
        """Return a wish that holds whatever is asked."""
        return _one(self._general, rng)

    def _templates(self, templates: tuple[str, ...]) -> tuple[str, ...]:
        return phrases.halves(templates, self._held_out) or templates

    def _say(
        self,
        templates: tuple[str, ...],
        service: Service,
        *,
        slot: Slot | None = None,
        v: str = "",
        w: str = "",
        **choices: Sequence[str],
    ) -> str:
        rng = self._rng
        words = {name: _one(list(some), rng) for name, some in choices.items()}
        if slot is not None:
            words["i"] = _one(list(slot.wished), rng).format(v=v)
            words["s"] = _one(list(slot.stated), rng).format(v=v)
        text = _one(self._templates(templates), rng).format(
            L=_spaced(service.label, rng), T=_one(list(service.things), rng), v=v, w=w, **words
        )
        return _capital(text)

    def _request(self, service: Service, stated: dict[int, str]) -> tuple[str, ...]:
        rng = self._rng
        thing = _one(list(service.things), rng)
        if rng.random() < 0.5:
            plain = _one(list(service.asks), rng)
        else:
            bare = thing.removeprefix("a ").removeprefix("an ").removeprefix("the ")
            plain = _one(self._templates(phrases.REQUESTS), rng).format(T=thing, t=bare)
        said = [
            _one(list(service.slots[at].stated), rng).format(v=self._cased(value))
            for at, value in stated.items()
        ]
        if rng.random() < 0.35:
            said.append(_one(list(phrases.DETAILS), rng))
        if rng.random() < 0.2:
            answer = _one(list(phrases.ANSWERS if said else phrases.BARE_ANSWERS), rng)
            return plain, _capital(answer.format(s=" and ".join(said)))
        if not said:
            return (plain,)
        template = _one(self._templates(phrases.STATED), rng)
        return (template.format(r=plain.rstrip(".?!"), s=", ".join(said)),)

    def _cased(self, value: str) -> str:
        return value.casefold() if self._rng.random() < 0.15 else value

    def _pooled(self, key: tuple[Any, ...], ways: int, say: Any, rng: np.random.Generator) -> Any:  # noqa: ANN401
        pool = self._pool.setdefault(key, [])
        if len(pool) < ways:
            pool.append(say())
            return pool[-1]
        return _one(pool, rng)


def _some(values: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    return [values[at] for at in rng.permutation(len(values))[:count].tolist()]


def _one(values: Sequence[Any], rng: np.random.Generator) -> Any:  # noqa: ANN401
    return values[int(rng.integers(len(values)))]


def _spaced(label: str, rng: np.random.Generator) -> str:
    return label if rng.random() < 0.7 else label.lower()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

"""Says what was written in one of the ways of `phrases`, from a pool that is drawn once.

The pool is finite so that every sentence is encoded once, however many examples hold it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from persona_applicability import phrases
from persona_applicability.material import Material, Service, Slot, Taste

_VALUES = 4
_WAYS = 2
_PLAIN_REQUESTS = 10
_STATED_WAYS = 1
_TASTE_WAYS = 2


@dataclass(frozen=True, slots=True)
class Line:
    """An instruction and the value that it asks for."""

    text: str
    value: str


class Phrasebook:
    """A pool of sentences.

    Args:
        material: What was written by hand.
        seed: Decides on values and templates, of each key by itself, so that adding to the material
            changes no other sentence.
        held_out: Whether to use the templates that training never sees.
    """

    def __init__(self, material: Material, seed: int, *, held_out: bool = False) -> None:
        self._seed = seed
        self._held_out = held_out
        self._general = material.general[::4] if held_out else material.general
        self._values = {
            (each.label, at): _some(slot.values, _VALUES, self._random(("values", each.label, at)))
            for each in material.services
            for at, slot in enumerate(each.slots)
        }
        self._pool: dict[tuple[Any, ...], list[Any]] = {}

    def value(self, service: Service, at: int, rng: np.random.Generator) -> str:
        """Return one of the slot's values."""
        return str(_one(self._values[service.label, at], rng))

    def wish(
        self, service: Service, at: int, rng: np.random.Generator, *, like: str | None = None
    ) -> Line:
        """Return a wish about a slot; one time in eight about the value that was asked for."""
        value = like if like and rng.random() < 0.125 else self.value(service, at, rng)
        slot = service.slots[at]

        def say(own: np.random.Generator) -> str:
            return self._say(own, phrases.WISHES, service, n=slot.names, v=value, slot=slot)

        return Line(self._pooled(("wish", service.label, at, value), _WAYS, say, rng), value)

    def chain(
        self, service: Service, slots: tuple[int, int], value: str, rng: np.random.Generator
    ) -> Line:
        """Return a wish about the second slot for when the first has this value."""
        first, second = (service.slots[at] for at in slots)
        follows = self.value(service, slots[1], rng)
        named = rng.random() < 0.25
        templates = phrases.SERVICE_CHAINS if named else phrases.CHAINS

        def say(own: np.random.Generator) -> str:
            return self._say(
                own,
                templates,
                service,
                n=first.names,
                v=value,
                m=second.names,
                w=follows,
                slot=first,
            )

        key = ("chain", service.label, slots, value, follows, named)
        return Line(self._pooled(key, 1, say, rng), follows)

    def also(self, service: Service, other: Service, rng: np.random.Generator) -> Line:
        """Return a wish to look at another service besides."""

        def say(own: np.random.Generator) -> str:
            named = _one([other.label, other.label, other.things[0]], own)
            return self._say(own, phrases.ALSO, service, M=[_spaced(named, own)])

        key = ("also", service.label, other.label)
        return Line(self._pooled(key, _WAYS, say, rng), other.label)

    def request(
        self, service: Service, stated: dict[int, str], rng: np.random.Generator
    ) -> tuple[str, ...]:
        """Return the user's turns: one, or two of which the last answers a question."""

        def say(own: np.random.Generator) -> tuple[str, ...]:
            return self._request(own, service, stated)

        key = ("request", service.label, tuple(sorted(stated.items())))
        ways = _STATED_WAYS if stated else _PLAIN_REQUESTS
        return self._pooled(key, ways, say, rng)  # type: ignore[no-any-return]

    def taste(self, taste: Taste, rng: np.random.Generator) -> str:
        """Return a taste in words."""
        templates = self._taste_templates(taste)

        def say(own: np.random.Generator) -> str:
            return _capital(_one(templates, own).format(x=taste.what, y=taste.why))

        key = ("taste", taste.topic, taste.what)
        return str(self._pooled(key, _TASTE_WAYS, say, rng))

    def tastes(self, taste: Taste, count: int) -> list[str]:
        """Return a taste in so many ways, or in all there are."""
        templates = self._taste_templates(taste)
        order = self._random(("tastes", taste.topic, taste.what)).permutation(len(templates))
        chosen = [templates[at] for at in order[:count].tolist()]
        return [_capital(each.format(x=taste.what, y=taste.why)) for each in chosen]

    def _taste_templates(self, taste: Taste) -> tuple[str, ...]:
        all_ = {"-": phrases.AVERSE, "+": phrases.FOND, "=": phrases.PLAIN}[taste.sign]
        templates = self._templates(all_)
        return templates if taste.why else tuple(t for t in templates if "{y}" not in t)

    def general(self, rng: np.random.Generator) -> str:
        """Return a wish that holds whatever is asked."""
        return str(_one(self._general, rng))

    def _templates(self, templates: tuple[str, ...]) -> tuple[str, ...]:
        return phrases.halves(templates, self._held_out) or templates

    def _say(
        self,
        rng: np.random.Generator,
        templates: tuple[str, ...],
        service: Service,
        *,
        slot: Slot | None = None,
        v: str = "",
        w: str = "",
        **choices: Sequence[str],
    ) -> str:
        words = {name: _one(list(some), rng) for name, some in choices.items()}
        if slot is not None:
            words["i"] = _one(list(slot.wished), rng).format(v=v)
            words["s"] = _one(list(slot.stated), rng).format(v=v)
        text = _one(self._templates(templates), rng).format(
            L=_spaced(_one(service.aliases, rng), rng),
            T=_one(list(service.things), rng),
            v=v,
            w=w,
            **words,
        )
        return _capital(text)

    def _request(
        self, rng: np.random.Generator, service: Service, stated: dict[int, str]
    ) -> tuple[str, ...]:
        thing = _one(list(service.things), rng)
        kinds = [at for at in stated if service.slots[at].sort == "category"]
        if kinds and rng.random() < 0.4:  # "a Greek restaurant" rather than "a restaurant, Greek"
            thing = f"{stated[kinds[0]]} {_bare(service.things[0])}"
            plain = _one(self._templates(phrases.REQUESTS), rng).format(T=thing, t=thing)
            stated = {at: value for at, value in stated.items() if at != kinds[0]}
        elif rng.random() < 0.5:
            plain = _one(list(service.asks), rng)
        else:
            plain = _one(self._templates(phrases.REQUESTS), rng).format(T=thing, t=_bare(thing))
        said = [
            _one(list(service.slots[at].stated), rng).format(v=_cased(value, rng))
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

    def _pooled(self, key: tuple[Any, ...], ways: int, say: Any, rng: np.random.Generator) -> Any:  # noqa: ANN401
        pool = self._pool.setdefault(key, [])
        at = int(rng.integers(ways))
        while len(pool) <= at:
            pool.append(say(self._random((*key, len(pool)))))
        return pool[at]

    def _random(self, key: tuple[Any, ...]) -> np.random.Generator:
        digest = hashlib.sha256(repr((self._seed, self._held_out, key)).encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def _some(values: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    return [values[at] for at in rng.permutation(len(values))[:count].tolist()]


def _one(values: Sequence[Any], rng: np.random.Generator) -> Any:  # noqa: ANN401
    return values[int(rng.integers(len(values)))]


def _spaced(label: str, rng: np.random.Generator) -> str:
    return label if rng.random() < 0.7 else label.lower()


def _bare(thing: str) -> str:
    return thing.removeprefix("a ").removeprefix("an ").removeprefix("the ")


def _cased(value: str, rng: np.random.Generator) -> str:
    return value.casefold() if rng.random() < 0.15 else value


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

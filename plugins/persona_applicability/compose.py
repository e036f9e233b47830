"""Composes examples: a conversation, a profile, and which of its instructions apply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from persona_applicability.kinship import is_kin, is_related
from persona_applicability.material import Material, Service
from persona_applicability.phrasebook import Phrasebook

ANY = -1.0
"""Label of an instruction that may or may not apply: it counts for nothing."""
UNLIKELY = -2.0
"""Label of one that matters less than another: it counts a little, as not applying."""


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation and profile.

    Args:
        turns: The user's turns, the request last.
        profile: Texts of the instructions.
        labels: 1 applies, 0 does not, `ANY` counts for nothing, `UNLIKELY` a little.
        sort: What it is an example of.
        domain: What it is about; domains are held out together.
        stated: Sorts of slot that the last turn names.
    """

    turns: tuple[str, ...]
    profile: tuple[str, ...]
    labels: tuple[float, ...]
    sort: str
    domain: str
    stated: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Draft:
    """An example in the making."""

    profile: dict[str, float] = field(default_factory=dict)
    stated: dict[int, str] = field(default_factory=dict)
    active: dict[int, set[str]] = field(default_factory=dict)

    def add(self, text: str, label: float) -> None:
        self.profile.setdefault(text, label)


class Composer:
    """Draws examples at random.

    Args:
        material: What was written by hand.
        book: The ways in which it may be said.
        domains: Services and topics that examples may be about.
    """

    def __init__(self, material: Material, book: Phrasebook, domains: frozenset[str]) -> None:
        self._material = material
        self._book = book
        self._services = [each for each in material.services if each.label in domains]
        self._tastes = [each for each in material.tastes if each.topic in domains]
        self._known = {each.label: each for each in self._services}

    def draw(self, rng: np.random.Generator) -> Example:
        """Return one example; about a service, a taste, a task, or nothing of the kind."""
        kind = rng.choice(4, p=(0.62, 0.22, 0.08, 0.08))
        make = (self._of_service, self._of_taste, self._of_task, self._of_nothing)[kind]
        return make(rng)

    def _of_service(self, rng: np.random.Generator) -> Example:
        service = self._services[rng.integers(len(self._services))]
        stated = self._stated(service, rng)
        turns = self._book.request(service, stated, rng)
        draft = _Draft(stated=stated, active={at: {value} for at, value in stated.items()})
        sort = "absent"
        if rng.random() < 0.88:
            sort = "stated" if stated else "plain"
            self._fill(draft, service, rng)
        self._distract(draft, {service.label, *service.also}, rng)
        self._add_general(draft, rng)
        example = _shuffled(draft, turns, sort, service.label, rng)
        return replace(example, stated=frozenset(service.slots[at].sort for at in stated))

    def _stated(self, service: Service, rng: np.random.Generator) -> dict[int, str]:
        count = min(int(rng.choice(4, p=(0.3, 0.45, 0.2, 0.05))), len(service.slots))
        slots = rng.permutation(len(service.slots))[:count].tolist()
        # People name a place more often than anything else.
        places = [at for at, slot in enumerate(service.slots) if slot.sort == "place"]
        if count and places and rng.random() < 0.45 and not set(places) & set(slots):
            slots[0] = places[0]
        return {at: self._book.value(service, at, rng) for at in slots}

    def _fill(self, draft: _Draft, service: Service, rng: np.random.Generator) -> None:
        """Add wishes about the service, and what follows from them."""
        count = 1 + int(rng.binomial(min(3, len(service.slots) - 1), 0.45))
        for at in rng.permutation(len(service.slots))[:count].tolist():
            for _ in range(2 if rng.random() < 0.04 else 1):
                line = self._book.wish(service, at, rng, like=draft.stated.get(at))
                applies = at not in draft.stated
                draft.add(line.text, float(applies))
                if applies:
                    draft.active.setdefault(at, set()).add(line.value)
        for first, second in service.chains:
            if rng.random() < 0.5:
                self._add_chain(draft, service, (first, second), rng)
        if rng.random() < 0.15:
            self._add_also(draft, service, rng)

    def _add_chain(
        self,
        draft: _Draft,
        service: Service,
        slots: tuple[int, int],
        rng: np.random.Generator,
    ) -> None:
        first, second = slots
        held = sorted(draft.active.get(first, set()))
        if held and rng.random() < 0.6:
            value = held[rng.integers(len(held))]
        else:
            value = self._book.value(service, first, rng)
        line = self._book.chain(service, slots, value, rng)
        applies = value in draft.active.get(first, set()) and second not in draft.stated
        draft.add(line.text, float(applies))
        if applies:
            draft.active.setdefault(second, set()).add(line.value)

    def _add_also(self, draft: _Draft, service: Service, rng: np.random.Generator) -> None:
        others = [self._known[name] for name in service.also if name in self._known]
        if not others:
            return
        other = others[rng.integers(len(others))]
        draft.add(self._book.also(service, other, rng).text, 1.0)
        placed = any(service.slots[at].sort == "place" for at in draft.stated)
        for at in rng.permutation(len(other.slots))[: 1 + int(rng.random() < 0.4)].tolist():
            label = 0.0 if placed and other.slots[at].sort == "place" else 1.0
            draft.add(self._book.wish(other, at, rng).text, label)

    def _distract(self, draft: _Draft, near: set[str], rng: np.random.Generator) -> None:
        """Add wishes about other services, with their chains."""
        most = 3 if rng.random() < 0.25 else 12
        aim = max(len(draft.profile) + int(rng.integers(0, most)), 1)
        while len(draft.profile) < aim:
            if rng.random() < 0.06:
                taste = self._tastes[rng.integers(len(self._tastes))]
                draft.add(self._book.taste(taste, rng), ANY if is_kin(near, taste.topic) else 0.0)
                continue
            other = self._services[rng.integers(len(self._services))]
            if other.label not in near:
                self._add_other(draft, other, near, rng)

    def _add_other(
        self, draft: _Draft, other: Service, near: set[str], rng: np.random.Generator
    ) -> None:
        at = int(rng.integers(len(other.slots)))
        line = self._book.wish(other, at, rng)
        draft.add(line.text, 0.0)
        for first, second in other.chains:
            if rng.random() < 0.35:
                value = line.value if first == at else self._book.value(other, first, rng)
                draft.add(self._book.chain(other, (first, second), value, rng).text, 0.0)
        if rng.random() < 0.06:
            third = self._services[rng.integers(len(self._services))]
            if third.label not in {*near, other.label}:
                draft.add(self._book.also(other, third, rng).text, 0.0)

    def _add_general(self, draft: _Draft, rng: np.random.Generator, chance: float = 0.2) -> None:
        if rng.random() < chance:
            for _ in range(int(rng.integers(1, 4))):
                draft.add(self._book.general(rng), 1.0)

    def _of_taste(self, rng: np.random.Generator) -> Example:
        taste = self._tastes[rng.integers(len(self._tastes))]
        draft = _Draft()
        if rng.random() < 0.9:
            draft.add(self._book.taste(taste, rng), 1.0)
        for _ in range(int(rng.integers(3, 40))):
            other = self._tastes[rng.integers(len(self._tastes))]
            if other is not taste:
                label = ANY if is_related(other.topic, taste.topic) else 0.0
                label = UNLIKELY if other.topic == taste.topic else label
                draft.add(self._book.taste(other, rng), label)
        for _ in range(int(rng.integers(0, 3))):
            service = self._services[rng.integers(len(self._services))]
            if not is_kin({service.label}, taste.topic):
                self._add_other(draft, service, set(), rng)
        self._add_general(draft, rng)
        request = taste.requests[rng.integers(len(taste.requests))]
        return _shuffled(draft, (request,), "taste", taste.topic, rng)

    def _of_task(self, rng: np.random.Generator) -> Example:
        at = int(rng.integers(len(self._material.tasks)))
        task = self._material.tasks[at]
        draft = _Draft()
        for text in rng.permutation(task.wishes)[: int(rng.integers(1, 4))].tolist():
            draft.add(text, 1.0)
        for _ in range(int(rng.integers(1, 5))):
            other = self._material.tasks[rng.integers(len(self._material.tasks))]
            label = 0.0 if other is not task else 1.0
            draft.add(other.wishes[rng.integers(len(other.wishes))], label)
        for _ in range(int(rng.integers(0, 4))):
            service = self._services[rng.integers(len(self._services))]
            slot = int(rng.integers(len(service.slots)))
            draft.add(self._book.wish(service, slot, rng).text, ANY if at in (1, 7) else 0.0)
        self._add_general(draft, rng, chance=0.5)
        request = task.requests[rng.integers(len(task.requests))]
        return _shuffled(draft, (request,), "task", f"task {at}", rng)

    def _of_nothing(self, rng: np.random.Generator) -> Example:
        draft = _Draft()
        self._distract(draft, set(), rng)
        self._add_general(draft, rng, chance=0.6)
        for _ in range(int(rng.integers(0, 3))):
            task = self._material.tasks[rng.integers(len(self._material.tasks))]
            draft.add(task.wishes[rng.integers(len(task.wishes))], ANY)
        request = self._material.other[rng.integers(len(self._material.other))]
        return _shuffled(draft, (request,), "nothing", "other", rng)


def _shuffled(
    draft: _Draft, turns: Sequence[str], sort: str, domain: str, rng: np.random.Generator
) -> Example:
    items = list(draft.profile.items())
    order = rng.permutation(len(items)).tolist()
    return Example(
        tuple(turns),
        tuple(items[at][0] for at in order),
        tuple(items[at][1] for at in order),
        sort,
        domain,
    )

"""Learns the linear heads: how general, how much a taste, of which sort of slot, what is stated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_applicability.compose import Example
from persona_applicability.features import stating
from persona_applicability.fit import fit_head
from persona_applicability.material import SLOT_TYPES, Material, Service
from persona_applicability.parse import parse
from persona_applicability.phrasebook import Phrasebook
from persona_engine.interfaces import Embed
from persona_engine.types import FloatArray


def learn_heads(
    material: Material,
    book: Phrasebook,
    domains: frozenset[str],
    examples: Sequence[Example],
    embed: Embed,
    *,
    seed: int,
) -> dict[str, FloatArray]:
    """Return the linear heads: general or not, sort of slot, what a request states."""
    rng = np.random.default_rng(seed + 7)
    services = [each for each in material.services if each.label in domains]
    lines, sorts = [], []
    for _ in range(4000):
        service = services[rng.integers(len(services))]
        first, second = service.chains[rng.integers(len(service.chains))]
        at = int(rng.integers(len(service.slots)))
        chained = rng.random() < 0.3
        line = (
            book.chain(service, (first, second), book.value(service, first, rng), rng)
            if chained
            else book.wish(service, at, rng)
        )
        lines.append(line.text)
        sorts.append(_one_hot([service.slots[second if chained else at].sort]))
    about = [each for each in examples if each.sort in ("plain", "stated", "absent")]
    special = lines + [book.taste(each, rng) for each in material.tastes if each.topic in domains]
    general = [*material.general] * 12
    y = np.array([0.0] * len(special) + [1.0] * len(general))
    tasks = [each for task in material.tasks for each in task.wishes]
    other = [*lines, *material.general, *tasks]
    tastes = [t for t in special if t not in set(lines)] * 6
    fond = np.array([0.0] * len(other) + [1.0] * len(tastes))
    parsed = [parse(each) for each in lines]
    values, kinds = _values(material, services)
    named = embed([*(each.value for each in parsed), *values])
    said = [(each.turns[-1], sorted(each.stated)) for each in about]
    said += _every_value(book, services, rng)
    last, stated = [text for text, _ in said], np.array([_one_hot(some) for _, some in said])
    mains = [each.main for each in parsed]
    return {
        "general": fit_head(embed(special + general), y, np.ones(len(y)), decay=1e-4, seed=seed),
        "sort": _multi(stating(embed(mains), mains), np.array(sorts), seed),
        "taste": fit_head(embed(other + tastes), fond, np.ones(len(fond)), decay=1e-4, seed=seed),
        "value": _multi(named, np.array([*sorts, *kinds]), seed),
        "stated": _multi(stating(embed(last), last), stated, seed),
    }


def _every_value(
    book: Phrasebook, services: Sequence[Service], rng: np.random.Generator
) -> list[tuple[str, list[str]]]:
    """Return a request that names each value of each slot, and the slot's sort."""
    return [
        (book.request(service, {at: value}, rng)[-1], [slot.sort])
        for service in services
        for at, slot in enumerate(service.slots)
        for value in slot.values[:24]
    ]


def _values(material: Material, services: Sequence[Service]) -> tuple[list[str], list[list[float]]]:
    """Return bare values and their sorts, several times each."""
    rows = [(v, slot.sort) for each in services for slot in each.slots for v in slot.values]
    rows += [(each, "place") for each in material.places]
    return [v for v, _ in rows] * 3, [_one_hot([sort]) for _, sort in rows] * 3


def _multi(x: FloatArray, y: FloatArray, seed: int) -> FloatArray:
    heads = [
        fit_head(x, y[:, s], np.ones(len(y)), decay=3e-4, seed=seed) for s in range(y.shape[1])
    ]
    return np.stack(heads, axis=1)


def _one_hot(sorts: Sequence[str]) -> list[float]:
    return [float(sort in sorts) for sort in SLOT_TYPES]

"""Learns the spaces in which requests and instructions compare."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_applicability.fit import fit_projection
from persona_applicability.kinship import closely_related
from persona_applicability.material import Material, Service, Taste
from persona_applicability.parse import parse
from persona_applicability.phrasebook import Phrasebook
from persona_applicability.space import Weights
from persona_engine.interfaces import Embed
from persona_engine.types import FloatArray

_PAIRS = 6000
_BANK = 400
_TOPIC_WIDTH = 128
_Pair = tuple[str, str, str, str]
"""A request, what it is about, the domain, and the taste; of services the domain again."""


def learn_spaces(
    material: Material, book: Phrasebook, domains: frozenset[str], embed: Embed, *, seed: int
) -> dict[str, FloatArray]:
    """Return means, projection and bank."""
    rng = np.random.default_rng(seed)
    services = [each for each in material.services if each.label in domains]
    tastes = [each for each in material.tastes if each.topic in domains]
    rows = [
        _service_pair(book, services[rng.integers(len(services))], rng)
        if rng.random() < 0.5
        else _taste_pair(book, tastes[rng.integers(len(tastes))], rng)
        for _ in range(_PAIRS)
    ]
    tastes_in = [row for row in rows if row[3] != row[2]]
    about_services = [row for row in rows if row[3] == row[2]]
    arrays = _fitted("space", tastes_in, embed, width=None, steps=500, stay=100.0, seed=seed)
    arrays |= _fitted(
        "topic", about_services, embed, width=_TOPIC_WIDTH, steps=600, stay=0.5, seed=seed
    )
    known = [t.requests[-1] for t in tastes]
    drawn = embed([known[k] for k in rng.permutation(len(known))[:_BANK].tolist()])
    return arrays | {"bank": Weights("", arrays).requests(drawn)}


def _fitted(
    name: str,
    rows: Sequence[_Pair],
    embed: Embed,
    *,
    width: int | None,
    steps: int,
    stay: float,
    seed: int,
) -> dict[str, FloatArray]:
    """Return one space; with a width, it starts at that many principal axes."""
    left, right = embed([row[0] for row in rows]), embed([row[1] for row in rows])
    means = {f"{name}_request": left.mean(axis=0), f"{name}_instruction": right.mean(axis=0)}
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    start = np.eye(left.shape[1], dtype=np.float32)
    if width is not None:
        _, _, axes = np.linalg.svd(np.concatenate([left, right]), full_matrices=False)
        start = np.ascontiguousarray(axes[:width].T)
    projection = fit_projection(
        left, right, _alike(rows), start=start, steps=steps, stay=stay, seed=seed
    )
    return {name: projection, **means}


def _alike(rows: Sequence[_Pair]) -> FloatArray:
    """Return which pairs are no negatives of each other, ``(n, n)``.

    Those about related domains; but of one topic, different tastes are told apart.
    """
    topics, subjects = (np.array([row[at] for row in rows]) for at in (2, 3))
    names = sorted(set(topics.tolist()))
    near = np.array([[closely_related(a, b) for b in names] for a in names])
    at = np.array([names.index(each) for each in topics.tolist()])
    taste = topics != subjects
    other = (subjects[:, None] != subjects) & (at[:, None] == at) & taste[:, None] & taste
    alike: FloatArray = near[at][:, at] & ~other
    return alike


def _service_pair(book: Phrasebook, service: Service, rng: np.random.Generator) -> _Pair:
    request = book.request(service, {}, rng)[0]
    if rng.random() < 0.4:
        request = service.asks[rng.integers(len(service.asks))]
    if rng.random() < 0.3:
        slots = service.chains[rng.integers(len(service.chains))]
        text = book.chain(service, slots, book.value(service, slots[0], rng), rng).text
    else:
        text = book.wish(service, int(rng.integers(len(service.slots))), rng).text
    if rng.random() < 0.4:
        text = parse(text).condition or text
    if rng.random() < 0.3:
        named = (*service.aliases, *service.things)
        text = named[rng.integers(len(named))]
    return request, text, service.label, service.label


def _taste_pair(book: Phrasebook, taste: Taste, rng: np.random.Generator) -> _Pair:
    request = taste.requests[rng.integers(len(taste.requests))]
    return request, book.taste(taste, rng), taste.topic, taste.what

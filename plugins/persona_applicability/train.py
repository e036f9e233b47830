"""Trains the scorer on composed examples, and reports on held-out domains and templates.

    python -m persona_applicability.train --weights FOLDER [--examples 4000] [--seed 0] [--check]

``--weights`` is the folder of all-minilm-l6-v2. Fits on all domains with three quarters of the
templates; calibration and the reported figures come from a fit that never saw a quarter of the
domains nor the other templates. ``--check`` reports without writing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from persona_applicability.compose import Composer, Example, closely_related
from persona_applicability.features import (
    Spans,
    Talk,
    chain_features,
    describe,
    instruction_features,
    support,
)
from persona_applicability.fit import Network, fit_head, fit_pass, fit_platt, fit_projection
from persona_applicability.judge import judge
from persona_applicability.material import SLOT_TYPES, Material, Service, read_material
from persona_applicability.parse import parse
from persona_applicability.phrasebook import Phrasebook
from persona_applicability.space import DATA, Weights, save_weights, sigmoid
from persona_engine.types import FloatArray

Embed = Callable[[Sequence[str]], FloatArray]
_PAIRS = 6000
_BANK = 300


def domains_of(material: Material) -> list[str]:
    """Return every service and topic."""
    return sorted({s.label for s in material.services} | {t.topic for t in material.tastes})


def draw(composer: Composer, count: int, rng: np.random.Generator) -> list[Example]:
    """Return examples."""
    return [composer.draw(rng) for _ in range(count)]


def prepared(example: Example, embed: Embed) -> tuple[Talk, list[Any], Spans]:
    """Return what the scorer reads of an example."""
    parsed = [parse(text) for text in example.profile]
    turns = embed(example.turns)
    return (
        Talk(turns[-1], turns[:-1], "\n".join(example.turns)),
        parsed,
        Spans(
            embed(example.profile),
            embed([p.condition or t for p, t in zip(parsed, example.profile, strict=True)]),
            embed([each.main for each in parsed]),
        ),
    )


def judged(example: Example, embed: Embed, weights: Weights) -> FloatArray:
    """Return the probability of each instruction of an example."""
    talk, parsed, spans = prepared(example, embed)
    return judge(talk, parsed, describe(spans, weights), weights).probability


def fit(
    material: Material,
    book: Phrasebook,
    domains: frozenset[str],
    examples: Sequence[Example],
    embed: Embed,
    *,
    fingerprint: str,
    seed: int,
    network: Network = Network(),
) -> Weights:
    """Return everything learned from these domains and examples, not yet calibrated."""
    arrays = _space(material, book, domains, embed, seed=seed)
    arrays |= _heads(material, book, domains, embed, seed=seed)
    weights = Weights(fingerprint, arrays)
    ready = [prepared(each, embed) for each in examples]
    described = [describe(spans, weights) for _, _, spans in ready]
    features = [
        instruction_features(talk, parsed, known, weights)
        for (talk, parsed, _), known in zip(ready, described, strict=True)
    ]
    links = [support(each[1], known) for each, known in zip(ready, described, strict=True)]
    labels = np.concatenate([each.labels for each in examples])
    weight = (labels >= 0).astype(np.float32)
    y = np.clip(labels, 0.0, 1.0)
    x = np.concatenate(features)
    _store(arrays, "first", fit_pass(x, y, weight, network=network, seed=seed))
    ends = np.cumsum([len(each) for each in features])[:-1]
    p = [sigmoid(weights.score("first", each)) for each in features]
    for again in range(2):
        chain = [
            chain_features(q, link, parsed)
            for q, link, (_, parsed, _) in zip(p, links, ready, strict=True)
        ]
        both = np.concatenate([x, np.concatenate(chain)], axis=1)
        _store(arrays, "second", fit_pass(both, y, weight, network=network, seed=seed + 1 + again))
        p = np.split(sigmoid(weights.score("second", both)), ends)
    return weights


def _store(arrays: dict[str, FloatArray], name: str, learned: dict[str, FloatArray]) -> None:
    arrays.update({f"{name}_{key}": value for key, value in learned.items()})


def _space(
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
    requests, instructions = embed([row[0] for row in rows]), embed([row[1] for row in rows])
    means = requests.mean(axis=0), instructions.mean(axis=0)
    topics = [row[2] for row in rows]
    names = sorted(set(topics))
    near = np.array([[closely_related(a, b) for b in names] for a in names])
    at = np.array([names.index(each) for each in topics])
    subjects = np.array([hash_of(row[3]) for row in rows])
    # Of one topic, only different tastes are told apart: requests for one service are alike.
    taste = np.array([row[3] != row[2] for row in rows])
    alike = near[at][:, at]
    alike &= ~(taste[:, None] & taste & (at[:, None] == at) & (subjects[:, None] != subjects))
    projection = fit_projection(
        requests - means[0], instructions - means[1], alike, steps=400, stay=50.0, seed=seed
    )
    known = [each for t in tastes for each in t.requests] + [a for s in services for a in s.asks]
    bank = embed([known[k] for k in rng.permutation(len(known))[:_BANK].tolist()]) - means[0]
    bank = bank @ projection
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    return {
        "mean_request": means[0],
        "mean_instruction": means[1],
        "projection": projection,
        "bank": bank,
    }


def hash_of(text: str) -> int:
    """Return a number for a text, the same in every process."""
    return int.from_bytes(text.encode()[:24].ljust(24), "big") % (2**61 - 1)


def _service_pair(
    book: Phrasebook, service: Service, rng: np.random.Generator
) -> tuple[str, str, str, str]:
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
    return request, text, service.label, service.label


def _taste_pair(
    book: Phrasebook, taste: Any, rng: np.random.Generator
) -> tuple[str, str, str, str]:  # noqa: ANN401
    request = taste.requests[rng.integers(len(taste.requests))]
    return request, book.taste(taste, rng), taste.topic, taste.what


def _heads(
    material: Material, book: Phrasebook, domains: frozenset[str], embed: Embed, *, seed: int
) -> dict[str, FloatArray]:
    """Return the linear heads: general or not, sort of slot, what a request states."""
    rng = np.random.default_rng(seed + 7)
    services = [each for each in material.services if each.label in domains]
    mains, sorts, requests, stated, special = [], [], [], [], []
    for _ in range(3000):
        service = services[rng.integers(len(services))]
        first, second = service.chains[rng.integers(len(service.chains))]
        at = int(rng.integers(len(service.slots)))
        chained = rng.random() < 0.3
        line = (
            book.chain(service, (first, second), book.value(service, first, rng), rng)
            if chained
            else book.wish(service, at, rng)
        )
        mains.append(parse(line.text).main)
        sorts.append(_one_hot([service.slots[second if chained else at].sort]))
        special.append(line.text)
        some = rng.permutation(len(service.slots))[: int(rng.integers(0, 3))].tolist()
        turns = book.request(service, {each: book.value(service, each, rng) for each in some}, rng)
        if len(turns) == 1:
            requests.append(turns[0])
            stated.append(_one_hot([service.slots[each].sort for each in some]))
    special += [book.taste(each, rng) for each in material.tastes if each.topic in domains]
    general = [*material.general] * 8
    texts = special + general
    y = np.array([0.0] * len(special) + [1.0] * len(general))
    return {
        "general": fit_head(embed(texts), y, np.ones(len(y)), decay=1e-4, seed=seed),
        "sort": _multi(embed(mains), np.array(sorts), seed),
        "stated": _multi(embed(requests), np.array(stated), seed),
    }


def _multi(x: FloatArray, y: FloatArray, seed: int) -> FloatArray:
    heads = [
        fit_head(x, y[:, s], np.ones(len(y)), decay=3e-4, seed=seed) for s in range(y.shape[1])
    ]
    return np.stack(heads, axis=1)


def _one_hot(sorts: Sequence[str]) -> list[float]:
    return [float(sort in sorts) for sort in SLOT_TYPES]


def calibrate(weights: Weights, examples: Sequence[Example], embed: Embed) -> FloatArray:
    """Return Platt's slope and offset for the second pass, from examples that were not fitted."""
    logits, labels = [], []
    for each in examples:
        p = judged(each, embed, weights).astype(np.float64)
        p = np.clip(p, 1e-6, 1 - 1e-6)
        logits.append(np.log(p / (1 - p)))
        labels.append(np.array(each.labels))
    x, y = np.concatenate(logits), np.concatenate(labels)
    return fit_platt(x, np.clip(y, 0, 1), (y >= 0).astype(np.float64))


if __name__ == "__main__":
    raise SystemExit("run as python -m persona_applicability.train")

"""Learns everything that the scorer knows from composed examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_applicability.chains import tie
from persona_applicability.compose import UNLIKELY, Example
from persona_applicability.features import (
    Spans,
    Talk,
    describe,
    instruction_features,
)
from persona_applicability.fit import Network, fit_pass, fit_platt
from persona_applicability.judge import judge
from persona_applicability.learn_heads import learn_heads
from persona_applicability.learn_spaces import learn_spaces
from persona_applicability.learn_tastes import learn_tastes, say_tastes
from persona_applicability.material import Material
from persona_applicability.parse import Parsed, parse
from persona_applicability.phrasebook import Phrasebook
from persona_applicability.space import Weights
from persona_engine.interfaces import Embed
from persona_engine.modelling import sigmoid
from persona_engine.scorers import Networks
from persona_engine.types import FloatArray

_UNLIKELY_COUNTS = 0.3


def prepared(example: Example, embed: Embed) -> tuple[Talk, list[Parsed], Spans]:
    """Return what the scorer reads of an example."""
    parsed = [parse(text) for text in example.profile]
    turns = embed(example.turns)
    return (
        Talk(turns[-1], turns[:-1], example.turns),
        parsed,
        Spans(
            embed(example.profile),
            embed([p.condition or t for p, t in zip(parsed, example.profile, strict=True)]),
            embed([each.main for each in parsed]),
            embed([each.value for each in parsed]),
        ),
    )


def judged(example: Example, embed: Embed, weights: Weights) -> FloatArray:
    """Return the probability of each instruction of an example."""
    talk, parsed, spans = prepared(example, embed)
    described = describe(parsed, spans, weights)
    return judge(talk, parsed, described, tie(parsed, described, weights), weights).probability


def fit(
    material: Material,
    book: Phrasebook,
    domains: frozenset[str],
    examples: Sequence[Example],
    embed: Embed,
    *,
    fingerprint: str,
    seed: int,
    network: Network | None = None,
) -> Weights:
    """Return everything learned from these domains and examples, not yet calibrated."""
    network = network or Network()
    arrays = learn_spaces(material, book, domains, embed, seed=seed)
    arrays |= learn_heads(material, book, domains, examples, embed, seed=seed)
    arrays |= learn_tastes(say_tastes(material, book, domains, embed), seed=seed)
    weights = Weights(fingerprint, arrays)
    ready = [prepared(each, embed) for each in examples]
    described = [describe(parsed, spans, weights) for _, parsed, spans in ready]
    ties = [tie(each[1], known, weights) for each, known in zip(ready, described, strict=True)]
    features = [
        instruction_features(talk, parsed, known, tied.alike, weights)
        for (talk, parsed, _), known, tied in zip(ready, described, ties, strict=True)
    ]
    labels = np.concatenate([each.labels for each in examples])
    weight = np.where(labels >= 0, 1.0, np.where(labels == UNLIKELY, _UNLIKELY_COUNTS, 0.0))
    y = np.clip(labels, 0.0, 1.0)
    x = np.concatenate(features)
    store(arrays, "first", fit_pass(x, y, weight, network=network, seed=seed))
    ends = np.cumsum([len(each) for each in features])[:-1]
    p = np.split(sigmoid(Networks.of(arrays, "first").log_odds(x)), ends)
    for again in range(2):
        chain = [tied.features(q) for q, tied in zip(p, ties, strict=True)]
        both = np.concatenate([x, np.concatenate(chain)], axis=1)
        store(arrays, "second", fit_pass(both, y, weight, network=network, seed=seed + 1 + again))
        p = np.split(sigmoid(Networks.of(arrays, "second").log_odds(both)), ends)
    return Weights(fingerprint, arrays)


def store(arrays: dict[str, FloatArray], name: str, learned: dict[str, FloatArray]) -> None:
    """Put what one pass learned among the arrays, under its name."""
    arrays.update({f"{name}_{key}": value for key, value in learned.items()})


def calibrated(weights: Weights, examples: Sequence[Example], embed: Embed) -> FloatArray:
    """Return Platt's slope and offset of the second pass on examples that were not fitted."""
    pairs = [(judged(each, embed, weights), np.array(each.labels)) for each in examples]
    p = np.clip(np.concatenate([p for p, _ in pairs]).astype(np.float64), 1e-4, 1 - 1e-4)
    y = np.concatenate([label for _, label in pairs])
    return fit_platt(np.log(p / (1 - p)), np.clip(y, 0, 1), (y >= 0).astype(np.float64))

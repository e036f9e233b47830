"""From texts and embeddings to probabilities: two passes, the second again for longer chains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_applicability.bearing import bearing, bearing_features
from persona_applicability.chains import Ties
from persona_applicability.features import (
    COLUMN,
    Described,
    Talk,
    instruction_features,
)
from persona_applicability.parse import Parsed
from persona_applicability.space import Weights
from persona_engine.modelling import sigmoid
from persona_engine.types import FloatArray

_ROUNDS = 3
# Either way of judging is made for its sort: between them there is little ground.
_STEEP, _LEAN = 3.0, 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What the scorer says of ``I`` instructions.

    Args:
        probability: That each applies, ``(I,)``.
        features: What the first pass saw, ``(I, F)``.
        chain: What the second saw besides, ``(I, 14)``.
    """

    probability: FloatArray
    features: FloatArray
    chain: FloatArray


def judge(
    talk: Talk, parsed: Sequence[Parsed], described: Described, ties: Ties, weights: Weights
) -> Judgement:
    """Return the probability of each instruction.

    The first pass looks at each instruction by itself and among the others; the second also at
    whether one that probably applies leads here. It is repeated, since a chain has several links.

    Args:
        talk: What the user said.
        parsed: The parts of ``I`` instructions.
        described: What they are like.
        ties: What ties them together.
        weights: Everything learned.
    """
    features = instruction_features(talk, parsed, described, ties.alike, weights)
    probability = sigmoid(weights.networks("first").log_odds(features))
    second, width = weights.networks("second"), features.shape[1]
    hidden, line = second.begin(features, slice(width))
    chain = np.zeros((len(parsed), 0), np.float32)
    for _ in range(_ROUNDS):
        chain = ties.features(probability)
        more_hidden, more_line = second.begin(chain, slice(width, None))
        probability = sigmoid(second.finish(hidden + more_hidden, line + more_line))
    values = bearing_features(bearing(talk.request, ties.tastes, weights))
    near = sigmoid(weights.networks("taste").log_odds(values))
    return Judgement(with_tastes(probability, near, features), features, chain)


def with_tastes(probability: FloatArray, near: FloatArray, features: FloatArray) -> FloatArray:
    """Return the probabilities, where an instruction is a lasting taste those of tastes, ``near``.

    What a taste has to do with a request is told by `bearing` alone: it has no slot or condition.
    """
    held = features[:, COLUMN["taste"]] * (1.0 - features[:, COLUMN["general"]])
    held = np.clip(held, 1e-6, 1.0 - 1e-6)
    taste = sigmoid(_STEEP * np.log(held / (1.0 - held)) + _LEAN)
    taste = taste * (1.0 - features[:, COLUMN["conditional"]])
    mixed: FloatArray = (taste * near + (1.0 - taste) * probability).astype(np.float32)
    return mixed

"""Trains the prefix value head: ``python -m persona_token_search.train``.

Rolls out replies to the requests in ``data/`` with the default language model, and writes what the
rest of a reply is like given its newest hidden state to the package's data. About a minute of one
core for each prompt; `tests/benchmarks/bench_prefix_value.py` says what it is worth.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np

from persona_engine.decoding import PrefixValue, prefix_values_root
from persona_engine.generation import local_generator
from persona_engine.types import FloatArray
from persona_engine.weights import resolve
from persona_token_search.rollouts import Rollouts, roll_out

RANK, PENALTY = 128, 10.0
PROMPTS, REPLIES, TOKENS = 24, 20, 128
_FIRST, _LEAST_REST, _FEWEST = 3, 16, 4


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """What ridge regression needs of some rollouts, which can be added up.

    Args:
        states: ΣhhT over newest states, ``(H, H)``.
        rests: Σh·restT, ``(H, H)``.
        lengths: Sum of the lengths.
        replies: How many.
    """

    states: FloatArray
    rests: FloatArray
    lengths: float
    replies: int

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both."""
        return Moments(
            self.states + other.states,
            self.rests + other.rests,
            self.lengths + other.lengths,
            self.replies + other.replies,
        )


def moments(rollouts: Rollouts, width: int) -> Moments:
    """Return the moments of the replies to one prompt, as differences at equal lengths."""
    states = np.zeros((width, width), np.float32)
    rests = np.zeros((width, width), np.float32)
    for tokens in range(_FIRST, len(rollouts.tokens) - _LEAST_REST, 2):
        if len(rollouts.growing(tokens)) < _FEWEST:
            continue
        newest, rest = rollouts.newest(tokens, width), rollouts.rest(tokens, width)
        newest, rest = newest - newest.mean(0), rest - rest.mean(0)
        states += newest.T @ newest
        rests += newest.T @ rest
    lengths = rollouts.tokens[-1]
    return Moments(states, rests, float(lengths.sum()), len(lengths))


def fit(parts: Iterable[Moments], *, fingerprint: str) -> PrefixValue:
    """Return the head: ridge regression, and of it the directions that predict most."""
    whole = reduce(add, parts)
    width = len(whole.states)
    penalty = PENALTY * np.trace(whole.states) / width
    weights = np.linalg.solve(whole.states + penalty * np.eye(width), whole.rests)  # (H, H)
    # Reduced-rank regression: the leading directions of what is predicted.
    predicted = weights.T @ whole.states @ weights
    leading = np.linalg.eigh(predicted)[1][:, ::-1][:, :RANK]  # (H, r)
    return PrefixValue(
        (weights @ leading).astype(np.float32),
        leading.T.astype(np.float32),
        whole.lengths / whole.replies,
        fingerprint,
    )


def main() -> None:
    """Train and write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--prompts", type=int, default=PROMPTS)
    options.add_argument("--cache", type=Path, help="folder to keep rollouts in")
    asked = options.parse_args()
    generator = local_generator(weights=resolve("smollm2-135m-instruct"))
    encoder = generator.feature_encoder
    width = encoder.width - 1  # the last feature is the length
    rolled = roll_out(
        generator, prompts=asked.prompts, replies=REPLIES, tokens=TOKENS, cache=asked.cache
    )
    head = fit([moments(each, width) for each in rolled], fingerprint=encoder.fingerprint)
    path = head.save(prefix_values_root())
    print(f"{path}: {path.stat().st_size:,} bytes from {asked.prompts} prompts")  # noqa: T201


if __name__ == "__main__":
    main()

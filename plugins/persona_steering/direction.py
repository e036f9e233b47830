"""Which way a group's preferred replies lie in the model's hidden states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.interfaces import Encoder
from persona_engine.types import FloatArray, TrainingPair


@dataclass(frozen=True, slots=True)
class Split:
    """Pairs that a direction is read from, and pairs that choose its strength."""

    fitted: tuple[TrainingPair, ...]
    held_out: tuple[TrainingPair, ...]


def split(
    pairs: Sequence[TrainingPair], *, held_out: float, most: int, rng: np.random.Generator
) -> Split:
    """Keep a share of the prompts, and of their pairs at most so many, for choosing.

    With one prompt its pairs serve both purposes.
    """
    prompts = list(dict.fromkeys(_told(pair) for pair in pairs))
    order = rng.permutation(len(prompts))
    kept = {prompts[place] for place in order[: max(round(held_out * len(prompts)), 1)]}
    fitted = tuple(pair for pair in pairs if _told(pair) not in kept)
    rest = [pair for pair in pairs if _told(pair) in kept]
    chosen = sorted(rng.permutation(len(rest))[:most])
    return Split(fitted or tuple(pairs), tuple(rest[place] for place in chosen))


def mean_difference(encoder: Encoder, pairs: Sequence[TrainingPair]) -> FloatArray:
    """Return ``Σ w (φ(chosen) − φ(rejected)) / Σ w``, ``(D,)``."""
    prompts = [pair.prompt for pair in pairs]
    chosen = encoder.encode(prompts, [pair.chosen for pair in pairs])  # (N, D)
    rejected = encoder.encode(prompts, [pair.rejected for pair in pairs])
    weight = np.array([pair.weight for pair in pairs], np.float64)
    direction: FloatArray = (weight @ (chosen - rejected) / weight.sum()).astype(np.float32)
    return direction


def _told(pair: TrainingPair) -> str:
    return "\n".join(f"{each['role']}: {each['content']}" for each in pair.prompt)

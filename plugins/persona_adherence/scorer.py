"""What was learned: its file, and log-odds from features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_adherence.directions import Directions
from persona_adherence.features import FEATURES
from persona_engine.modelling import sigmoid
from persona_engine.scorers import read_scorer, write_scorer
from persona_engine.types import FloatArray

DATA = Path(__file__).parent / "data"
Values = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """P(reply keeps instruction) = 1 − σ(v·z) (1 − σ(w·x)).

    It is broken where it bears on the request (z, of instruction and request) and the reply goes
    against it (x, of all three): two judgements that were learned apart.

    Args:
        fingerprint: The sentence encoder that it was trained for.
        directions: From concepts to directions.
        weights: ``w``, ``(F,)``, in the order of `FEATURES`.
        relevance: ``v``, ``(3 + E,)``.
    """

    fingerprint: str
    directions: Directions
    weights: Values
    relevance: FloatArray

    def kept(self, features: FloatArray, relevant: float) -> FloatArray:
        """Return the probability ``(B,)`` that replies keep an instruction that may bear on them.

        Args:
            features: Of the replies, ``(B, F)``.
            relevant: Probability that the instruction bears on the request.
        """
        against = 1.0 - sigmoid(self.log_odds(features)).astype(np.float32)
        found: FloatArray = 1.0 - relevant * against
        return found

    def relevant(self, features: FloatArray) -> float:
        """Return the probability that an instruction bears on a request, of ``(3 + E,)``."""
        return float(sigmoid(features @ self.relevance).astype(np.float32))

    def log_odds(self, features: FloatArray) -> FloatArray:
        """Return log-odds ``(B,)`` of features ``(B, F)``."""
        found: FloatArray = (features @ self.weights).astype(np.float32)
        return found


@lru_cache(maxsize=4)
def load_scorer(folder: Path = DATA) -> Scorer:
    """Read what `save_scorer` wrote; the shipped one by default.

    Raises:
        ArtefactError: A file is missing or damaged.
    """
    return read_scorer(
        _scorer,
        folder / "scorer.json",
        folder / "directions.safetensors",
        train="python -m persona_adherence.train",
    )


def _scorer(named: Mapping[str, Any], arrays: Mapping[str, FloatArray]) -> Scorer:
    return Scorer(
        fingerprint=str(named["fingerprint"]),
        directions=Directions(arrays["names"], arrays["weights"], float(named["sharpness"])),
        weights=np.array([named["weights"][name] for name in FEATURES]),
        relevance=arrays["relevance"],
    )


def save_scorer(scorer: Scorer, folder: Path) -> None:
    """Write weights as JSON, and directions as float16 safetensors."""
    directions = scorer.directions
    named = {
        "fingerprint": scorer.fingerprint,
        "sharpness": directions.sharpness,
        "weights": {
            name: round(float(w), 4) for name, w in zip(FEATURES, scorer.weights, strict=True)
        },
    }
    arrays: dict[str, NDArray[Any]] = {
        "names": directions.names.astype(np.float16),
        "weights": directions.weights.astype(np.float16),
        "relevance": scorer.relevance.astype(np.float32),
    }
    write_scorer(named, arrays, folder / "scorer.json", folder / "directions.safetensors")

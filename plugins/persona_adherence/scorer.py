"""What was learned: its file, and log-odds from features."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_adherence.directions import Directions
from persona_adherence.features import FEATURES
from persona_engine.errors import ArtefactError
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
        found: FloatArray = 1.0 - relevant * (1.0 - sigmoid(self.log_odds(features)))
        return found

    def relevant(self, features: FloatArray) -> float:
        """Return the probability that an instruction bears on a request, of ``(3 + E,)``."""
        return float(sigmoid(features @ self.relevance))

    def log_odds(self, features: FloatArray) -> FloatArray:
        """Return log-odds ``(B,)`` of features ``(B, F)``."""
        found: FloatArray = (features @ self.weights).astype(np.float32)
        return found


def sigmoid(x: Values) -> FloatArray:
    """Return σ(x)."""
    halved: FloatArray = (0.5 * (1.0 + np.tanh(0.5 * x))).astype(np.float32)
    return halved


@lru_cache(maxsize=4)
def load_scorer(folder: Path = DATA) -> Scorer:
    """Read what `save_scorer` wrote; the shipped one by default.

    Raises:
        ArtefactError: A file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        described = json.loads((folder / "scorer.json").read_text(encoding="utf-8"))
        arrays = load_file(folder / "directions.safetensors")
        directions = Directions(
            arrays["names"].astype(np.float32),
            arrays["weights"].astype(np.float32),
            float(described["sharpness"]),
        )
        weights: Mapping[str, float] = described["weights"]
        return Scorer(
            fingerprint=str(described["fingerprint"]),
            directions=directions,
            weights=np.array([weights[name] for name in FEATURES]),
            relevance=arrays["relevance"].astype(np.float32),
        )
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ArtefactError(
            f"the scorer in {folder} cannot be read: {error}",
            remedy="install the package again, or run python -m persona_adherence.train",
        ) from error


def save_scorer(scorer: Scorer, folder: Path) -> None:
    """Write weights as JSON, and directions as float16 safetensors."""
    from safetensors.numpy import save_file

    directions = scorer.directions
    arrays: dict[str, NDArray[Any]] = {
        "names": np.ascontiguousarray(directions.names, np.float16),
        "weights": np.ascontiguousarray(directions.weights, np.float16),
        "relevance": np.ascontiguousarray(scorer.relevance, np.float32),
    }
    save_file(arrays, folder / "directions.safetensors")
    described = {
        "fingerprint": scorer.fingerprint,
        "sharpness": directions.sharpness,
        "weights": {
            name: round(float(w), 4) for name, w in zip(FEATURES, scorer.weights, strict=True)
        },
    }
    text = json.dumps(described, indent=1) + "\n"
    (folder / "scorer.json").write_text(text, encoding="utf-8")

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
    """P(reply keeps instruction) = σ(w·x), x the features of instruction, request and reply.

    Args:
        fingerprint: The sentence encoder that it was trained for.
        directions: From concepts to directions.
        weights: ``w``, ``(F,)``, in the order of `FEATURES`.
    """

    fingerprint: str
    directions: Directions
    weights: Values

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
    arrays = {
        "names": np.ascontiguousarray(directions.names, np.float16),
        "weights": np.ascontiguousarray(directions.weights, np.float16),
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

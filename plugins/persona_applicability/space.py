"""What the scorer learned, its file, and the space in which requests and instructions compare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import ArtefactError
from persona_engine.types import FloatArray

DATA = Path(__file__).parent / "data"
Values = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Everything learned, for one feature space.

    Args:
        fingerprint: The sentence encoder of all vectors.
        arrays: Two spaces, ``space`` ``(E, K)``, near the identity, and ``topic`` ``(E, T)``, which
            tells domains apart, each with the means of requests and instructions that it takes
            off first, ``…_request`` and ``…_instruction`` ``(E,)``; ``bank`` ``(B, K)`` of
            requests;
            heads ``general`` and ``taste`` ``(E+1,)``, ``value`` ``(E+1, S)``, ``sort`` and
            ``stated`` ``(E+10, S)``; of each pass ``p``: ``p_shift``, ``p_scale`` ``(F,)``,
            ``p_in`` ``(M, F+1, H)``, ``p_out`` ``(M, H+1)``, ``p_line`` ``(M, F)``,
            ``p_platt`` ``(2,)``.
    """

    fingerprint: str
    arrays: dict[str, FloatArray]

    @property
    def widths(self) -> tuple[int, int]:
        """Of the two spaces in which requests and instructions compare, ``K`` and ``T``."""
        return self.arrays["space"].shape[1], self.arrays["topic"].shape[1]

    def requests(self, embeddings: FloatArray, space: str = "space") -> FloatArray:
        """Return requests ``(n, K)`` of embeddings ``(n, E)``, unit length."""
        return unit((embeddings - self.arrays[f"{space}_request"]) @ self.arrays[space])

    def instructions(self, embeddings: FloatArray, space: str = "space") -> FloatArray:
        """Return instructions ``(n, K)`` of embeddings ``(n, E)``, unit length."""
        return unit((embeddings - self.arrays[f"{space}_instruction"]) @ self.arrays[space])

    def head(self, name: str, embeddings: FloatArray) -> FloatArray:
        """Return the probabilities that a linear head gives ``(n, E)`` embeddings."""
        weights = self.arrays[name]
        return sigmoid(embeddings @ weights[:-1] + weights[-1])

    def score(self, name: str, features: FloatArray) -> FloatArray:
        """Return the log odds ``(n,)`` of one pass, averaged over its networks and calibrated."""
        a = self.arrays
        x = np.clip((features - a[f"{name}_shift"]) * a[f"{name}_scale"], -5.0, 5.0)  # (n, F)
        inner, outer = a[f"{name}_in"], a[f"{name}_out"]
        hidden = np.tanh(x @ inner[:, :-1] + inner[:, -1:])  # (M, n, H)
        logits = (hidden * outer[:, None, :-1]).sum(axis=-1) + outer[:, None, -1]  # (M, n)
        logits += a[f"{name}_line"] @ x.T
        slope, offset = a[f"{name}_platt"]
        calibrated: FloatArray = (slope * logits.mean(axis=0) + offset).astype(np.float32)
        return calibrated


@lru_cache(maxsize=4)
def load_weights(folder: Path = DATA) -> Weights:
    """Read what `save_weights` wrote; the shipped ones by default.

    Raises:
        ArtefactError: A file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        described = json.loads((folder / "weights.json").read_text(encoding="utf-8"))
        arrays = load_file(folder / "weights.safetensors")
        return Weights(
            str(described["fingerprint"]),
            {name: array.astype(np.float32) for name, array in arrays.items()},
        )
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ArtefactError(
            f"the weights in {folder} cannot be read: {error}",
            remedy="install the package again, or run python -m persona_applicability.train",
        ) from error


def save_weights(weights: Weights, folder: Path, *, about: Mapping[str, Any]) -> None:
    """Write large arrays as float16, small ones as float32, and what they are about as JSON."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        name: np.ascontiguousarray(array, np.float16 if array.size > 20_000 else np.float32)
        for name, array in weights.arrays.items()
    }
    save_file(arrays, folder / "weights.safetensors")
    described = {"fingerprint": weights.fingerprint, **about}
    text = json.dumps(described, indent=1) + "\n"
    (folder / "weights.json").write_text(text, encoding="utf-8")


def unit(vectors: Values) -> FloatArray:
    """Return rows of length one; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: FloatArray = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
    return scaled


def sigmoid(x: Values) -> FloatArray:
    """Return 1 / (1 + exp(-x)) without overflow."""
    halved: FloatArray = (0.5 * (1.0 + np.tanh(0.5 * x))).astype(np.float32)
    return halved

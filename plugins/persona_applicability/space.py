"""What the scorer learned, its file, and the space in which requests and instructions compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import sigmoid
from persona_engine.scorers import Networks, read_scorer, unit, write_scorer
from persona_engine.types import FloatArray

DATA = Path(__file__).parent / "data"
TRAIN = "python -m persona_applicability.train"
Values = NDArray[np.floating[Any]]
_SMALL = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Everything learned, for one feature space.

    Args:
        fingerprint: The sentence encoder of all vectors.
        arrays: Three spaces, ``space`` ``(E, K)``, near the identity, ``topic`` ``(E, T)``, which
            tells domains apart, and ``bearing`` ``(E, B)`` of tastes, each with the means of
            requests and instructions that it takes off first, ``…_request`` and
            ``…_instruction`` ``(E,)``; ``bank`` ``(P, K)`` of requests; known tastes
            ``pairs_taste`` ``(N, B)`` and requests that touch them ``pairs_asked`` ``(R, N, B)``;
            heads ``general`` and ``taste`` ``(E+1,)``, ``value`` ``(E+1, S)``, ``sort`` and
            ``stated`` ``(E+10, S)``; of each pass ``p``: ``p_shift``, ``p_scale`` ``(F,)``,
            ``p_in`` ``(M, F+1, H)``, ``p_out`` ``(M, H+1)``, ``p_line`` ``(M, F)``,
            ``p_platt`` ``(2,)``.
    """

    fingerprint: str
    arrays: Mapping[str, FloatArray]
    _networks: dict[str, Networks] = field(default_factory=dict, init=False)

    @property
    def widths(self) -> tuple[int, int, int]:
        """Of the spaces in which requests and instructions compare, ``K``, ``T`` and ``B``."""
        space, topic, bearing = (self.arrays[n].shape[1] for n in ("space", "topic", "bearing"))
        return space, topic, bearing

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

    def networks(self, name: str) -> Networks:
        """Return the networks of one pass."""
        found = self._networks.get(name)
        if found is None:
            found = self._networks[name] = Networks.of(self.arrays, name)
        return found


@lru_cache(maxsize=4)
def load_weights(folder: Path = DATA) -> Weights:
    """Read what `save_weights` wrote; the shipped ones by default.

    Raises:
        ArtefactError: A file is missing or damaged.
    """
    return read_scorer(
        lambda names, arrays: Weights(str(names["fingerprint"]), arrays),
        folder / "weights.json",
        folder / "weights.safetensors",
        train=TRAIN,
    )


def save_weights(weights: Weights, folder: Path, *, about: Mapping[str, Any]) -> None:
    """Write large arrays as float16, small ones as float32, and what they are about as JSON."""
    arrays = {
        name: array.astype(np.float16 if array.size > _SMALL else np.float32)
        for name, array in weights.arrays.items()
    }
    named = {"fingerprint": weights.fingerprint, **about}
    write_scorer(named, arrays, folder / "weights.json", folder / "weights.safetensors")

"""What changes an encoder so that it reads two texts together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from persona_engine.types.evidence import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class PairAdapter:
    """Low-rank changes to an encoder's upper layers, which read two texts together.

    Args:
        lower: How many layers read each text by itself.
        tensors: ``sides (2, H)`` and, for each layer above, counted from 0, and each of its linear
            maps, ``<layer>.<map>.down (r, in)`` and ``<layer>.<map>.up (out, r)``.
    """

    lower: int
    tensors: Mapping[str, FloatArray]

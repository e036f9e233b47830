"""Encoders, and indexes of what they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from persona_engine.types import Conversation, FloatArray, PairAdapter


@runtime_checkable
class Encoder(Protocol):
    """Turns replies (given their prompts) or sentences into features.

    ``fingerprint`` names weights, layer, pooling and width: equal fingerprints give features that
    may be mixed. Reading it must not load the model.
    """

    @property
    def fingerprint(self) -> str:
        """Name of the feature space."""

    @property
    def width(self) -> int:
        """Number of features, ``D``."""

    def encode(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> FloatArray:
        """Return features ``(n, D)`` of ``n`` responses, each given its prompt."""


@runtime_checkable
class ReadsPairs(Protocol):
    """An encoder that can also read two texts together."""

    def read_pairs(
        self, first: Sequence[str], second: Sequence[str], *, adapter: PairAdapter
    ) -> FloatArray:
        """Return the mean states of both texts of ``n`` pairs ``(n, 2, H)``."""


class VectorIndex(Protocol):
    """Nearest vectors among one tenant's; a cache of what SQL holds."""

    def search(self, query: FloatArray, *, count: int) -> list[tuple[str, float]]:
        """Return the nearest keys and their cosine similarity, nearest first."""

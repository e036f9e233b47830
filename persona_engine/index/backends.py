"""Inner-product search over unit vectors: FAISS where installed, else exactly by numpy."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import ArtefactError, MissingExtraError
from persona_engine.index.kinds import IndexKind
from persona_engine.types import FloatArray, IntArray

BackendName = Literal["faiss", "numpy"]
Bytes = NDArray[np.uint8]

logger = logging.getLogger("persona_engine.index")


@dataclass(frozen=True, slots=True)
class Hole:
    """A stretch of bytes to be overwritten.

    Args:
        offset: Where it begins.
        length: In bytes.
        fill: The byte that takes the place of each.
        number: Where it is written whose vector this is, or None where its place tells.
    """

    offset: int
    length: int
    fill: int = 0
    number: int | None = None

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Built:
    """How an index searches.

    Args:
        index: Its kind.
        effort: Lists that a search looks through, or candidates that it keeps; 0 for all.
        recall: Share of the ten nearest that it finds.
    """

    index: IndexKind = "flat"
    effort: int = 0
    recall: float = 1.0


class Searcher(Protocol):
    """Unit vectors, numbered from 0, that answer which are nearest."""

    @property
    def built(self) -> Built:
        """How it searches."""

    def search(
        self, query: FloatArray, *, count: int, allowed: IntArray | None, excluded: IntArray
    ) -> tuple[IntArray, FloatArray]:
        """Return numbers and inner products, greatest first.

        ``allowed`` and ``excluded`` limit what is searched, not what is returned: ``count``
        results come back whenever that many remain.
        """

    def vectors(self) -> FloatArray:
        """Return all vectors, ``(n, D)``, as exactly as they are kept."""

    def dump(self) -> Bytes:
        """Return the bytes that `load` of the same backend reads."""

    def holes(self, rows: Sequence[int], payload: Bytes) -> list[Hole] | None:
        """Return what of ``payload`` tells of these vectors, None where that is not known."""


class Backend(Protocol):
    """A way to build, read and search indexes."""

    @property
    def name(self) -> BackendName:
        """Its name, as manifests carry it."""

    def build(self, vectors: FloatArray, kind: IndexKind) -> Searcher:
        """Index unit vectors ``(n, D)``."""

    def load(self, payload: Bytes, built: Built, *, count: int, width: int) -> Searcher:
        """Read what `Searcher.dump` wrote; raise `ArtefactError` where it is something else."""

    def parsed(self, kind: IndexKind, *, count: int, width: int, length: int) -> int:
        """Return how many bytes, of so many, `load` reads to find its way; vectors follow them."""


class NumpySearcher:
    """Exact search by one matrix-vector product, O(n·D)."""

    built = Built()

    def __init__(self, vectors: FloatArray) -> None:
        self._vectors = vectors

    def search(
        self, query: FloatArray, *, count: int, allowed: IntArray | None, excluded: IntArray
    ) -> tuple[IntArray, FloatArray]:
        """Return numbers and inner products, greatest first."""
        if allowed is None:
            kept = np.ones(len(self._vectors), bool)
            kept[excluded] = False
            rows = np.flatnonzero(kept)
            products = (self._vectors @ query)[rows]  # (n,)
        else:
            rows = np.setdiff1d(allowed, excluded)
            products = self._vectors[rows] @ query  # (n,)
        count = min(count, len(rows))
        best = np.argpartition(-products, count - 1)[:count] if count else np.arange(0)
        best = best[np.argsort(-products[best], kind="stable")]
        return rows[best], products[best]

    def vectors(self) -> FloatArray:
        """Return all vectors, ``(n, D)``."""
        return self._vectors

    def dump(self) -> Bytes:
        """Return the vectors as little-endian float32."""
        return np.frombuffer(self._vectors.astype("<f4", copy=False).tobytes(), np.uint8)

    def holes(self, rows: Sequence[int], payload: Bytes) -> list[Hole]:
        """Return where the vectors are."""
        size = 4 * self._vectors.shape[1]
        return [Hole(row * size, size) for row in rows if (row + 1) * size <= len(payload)]


class NumpyBackend:
    """Exact search without any further package."""

    name: BackendName = "numpy"

    def build(self, vectors: FloatArray, kind: IndexKind) -> NumpySearcher:  # noqa: ARG002
        """Index unit vectors ``(n, D)``, whatever kind is wanted: there is only one."""
        return NumpySearcher(np.ascontiguousarray(vectors, np.float32))

    def parsed(self, kind: IndexKind, *, count: int, width: int, length: int) -> int:  # noqa: ARG002
        """Return 0: there is nothing but vectors."""
        return 0

    def load(self, payload: Bytes, built: Built, *, count: int, width: int) -> NumpySearcher:  # noqa: ARG002
        """Read little-endian float32 vectors, which stay where they are."""
        if len(payload) != 4 * count * width:
            raise ArtefactError(
                f"index holds {len(payload)} bytes, expected {count} x {width} float32 values"
            )
        stored = np.ndarray((count, width), "<f4", payload.data)
        return NumpySearcher(stored.astype(np.float32, copy=False))


def resolve_backend(name: Literal["auto", "faiss", "numpy"]) -> Backend:
    """Return the backend of that name; ``auto`` takes FAISS when it is installed.

    Raises:
        MissingExtraError: ``faiss`` was asked for by name and is not installed.
    """
    if name == "numpy":
        return NumpyBackend()
    try:
        import faiss

        from persona_engine.index.faiss_backend import FaissBackend
    except ImportError as error:
        if name == "faiss":
            raise MissingExtraError(
                "the faiss index needs faiss, which is not installed",
                remedy="pip install 'persona-engine[local]'",
            ) from error
        _say_that_numpy_serves()
        return NumpyBackend()
    return FaissBackend(faiss)


@functools.cache
def _say_that_numpy_serves() -> None:
    """Log it the first time only."""
    logger.warning(
        "faiss is not installed: the exact numpy index serves, with the same neighbours; "
        "for large tenants: pip install 'persona-engine[local]'"
    )

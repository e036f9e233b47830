"""Inner-product search over unit vectors: FAISS where installed, else exactly by numpy."""

from __future__ import annotations

import functools
import logging
from types import ModuleType
from typing import Any, Literal, Protocol

import numpy as np

from persona_engine.errors import ArtefactError, MissingExtraError
from persona_engine.types import FloatArray, IntArray

BackendName = Literal["faiss", "numpy"]
_FLAT_INNER_PRODUCT = b"IxFI"

logger = logging.getLogger("persona_engine.index")


class Searcher(Protocol):
    """Unit vectors, numbered from 0, that answer which are nearest."""

    def search(
        self, query: FloatArray, *, count: int, allowed: IntArray | None, excluded: IntArray
    ) -> tuple[IntArray, FloatArray]:
        """Return numbers and inner products, greatest first.

        ``allowed`` and ``excluded`` limit what is searched, not what is returned: ``count``
        results come back whenever that many remain.
        """

    def vectors(self) -> FloatArray:
        """Return all vectors, ``(n, D)``."""

    def dump(self) -> bytes:
        """Return the bytes that `load` of the same backend reads."""


class Backend(Protocol):
    """A way to build, read and search indexes."""

    @property
    def name(self) -> BackendName:
        """Its name, as manifests carry it."""

    def build(self, vectors: FloatArray) -> Searcher:
        """Index unit vectors ``(n, D)``."""

    def load(self, payload: bytes, *, count: int, width: int) -> Searcher:
        """Read what `Searcher.dump` wrote; raise `ArtefactError` where it is something else."""


class NumpySearcher:
    """Exact search by one matrix-vector product, O(n·D)."""

    def __init__(self, vectors: FloatArray) -> None:
        self._vectors = np.ascontiguousarray(vectors, np.float32)

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

    def dump(self) -> bytes:
        """Return the vectors as little-endian float32."""
        return self._vectors.astype("<f4", copy=False).tobytes()


class NumpyBackend:
    """Exact search without any further package."""

    name: BackendName = "numpy"

    def build(self, vectors: FloatArray) -> NumpySearcher:
        """Index unit vectors ``(n, D)``."""
        return NumpySearcher(vectors)

    def load(self, payload: bytes, *, count: int, width: int) -> NumpySearcher:
        """Read little-endian float32 vectors."""
        if len(payload) != 4 * count * width:
            raise ArtefactError(
                f"index holds {len(payload)} bytes, expected {count} x {width} float32 values"
            )
        stored = np.frombuffer(payload, "<f4").reshape(count, width)
        return NumpySearcher(stored.astype(np.float32))


class FlatIndex(Protocol):
    """What is used of ``faiss.IndexFlatIP``, whose package has no types."""

    ntotal: int
    d: int

    def search(self, queries: FloatArray, k: int, **options: object) -> tuple[FloatArray, IntArray]:
        """Return inner products and numbers, each ``(Q, k)``; number -1 where fewer remain."""

    def reconstruct_n(self, first: int, count: int) -> FloatArray:
        """Return stored vectors, ``(count, D)``."""


class FaissSearcher:
    """A flat FAISS index: exact, and several times faster than numpy on large tenants."""

    def __init__(self, faiss: ModuleType, index: FlatIndex) -> None:
        self._faiss = faiss
        self._index = index

    def search(
        self, query: FloatArray, *, count: int, allowed: IntArray | None, excluded: IntArray
    ) -> tuple[IntArray, FloatArray]:
        """Return numbers and inner products, greatest first; FAISS skips by id selector."""
        remaining = self._index.ntotal if allowed is None else len(allowed)
        if not (count := min(count, remaining)):
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        selectors = self._selectors(allowed, excluded)
        options = {"params": self._faiss.SearchParameters(sel=selectors[-1])} if selectors else {}
        products, rows = self._index.search(query[None, :], count, **options)
        found = rows[0] >= 0
        return rows[0][found], products[0][found]

    def _selectors(self, allowed: IntArray | None, excluded: IntArray) -> list[Any]:
        """Return the chain of selectors, of which the last is the whole condition.

        FAISS keeps only pointers to the inner ones, so the caller holds the list while searching.
        """
        chain: list[Any] = []
        if allowed is not None:
            keep = np.setdiff1d(allowed, excluded)
            chain.append(self._faiss.IDSelectorBatch(keep.astype(np.int64)))
        elif excluded.size:
            chain.append(self._faiss.IDSelectorBatch(excluded.astype(np.int64)))
            chain.append(self._faiss.IDSelectorNot(chain[0]))
        return chain

    def vectors(self) -> FloatArray:
        """Return all vectors, ``(n, D)``."""
        return self._index.reconstruct_n(0, self._index.ntotal)

    def dump(self) -> bytes:
        """Return the index as FAISS serialises it."""
        return bytes(self._faiss.serialize_index(self._index))


class FaissBackend:
    """FAISS (Douze et al. 2024, arXiv:2401.08281), ``IndexFlatIP``."""

    name: BackendName = "faiss"

    def __init__(self, faiss: ModuleType) -> None:
        self._faiss = faiss

    def build(self, vectors: FloatArray) -> FaissSearcher:
        """Index unit vectors ``(n, D)``."""
        index = self._faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors, np.float32))
        return FaissSearcher(self._faiss, index)

    def load(self, payload: bytes, *, count: int, width: int) -> FaissSearcher:
        """Read a flat index; nothing else is handed to FAISS's parser."""
        if payload[:4] != _FLAT_INNER_PRODUCT:
            raise ArtefactError(f"index starts with {payload[:4]!r}, expected a flat FAISS index")
        try:
            index = self._faiss.deserialize_index(np.frombuffer(payload, np.uint8))
        except RuntimeError as error:
            raise ArtefactError(f"FAISS cannot read the index: {error}") from error
        if (index.ntotal, index.d) != (count, width):
            raise ArtefactError(
                f"index holds {index.ntotal} vectors of width {index.d}, "
                f"expected {count} of {width}"
            )
        return FaissSearcher(self._faiss, index)


def resolve_backend(name: Literal["auto", "faiss", "numpy"]) -> Backend:
    """Return the backend of that name; ``auto`` takes FAISS when it is installed.

    Raises:
        MissingExtraError: ``faiss`` was asked for by name and is not installed.
    """
    if name == "numpy":
        return NumpyBackend()
    try:
        import faiss
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

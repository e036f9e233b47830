"""Indexes of FAISS (Douze et al. 2024, arXiv:2401.08281): exact, inverted lists, graph, 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np

from persona_engine.errors import ArtefactError
from persona_engine.index.backends import BackendName, Built, Bytes, Hole
from persona_engine.index.kinds import (
    IndexKind,
    Search,
    held_back,
    kind_for,
    least_effort,
    lists_for,
)
from persona_engine.index.places import BYTES_EACH, FaissObject, graph_holes, list_holes
from persona_engine.types import FloatArray, IntArray

_MAGIC: dict[IndexKind, bytes] = {"flat": b"IxFI", "ivf": b"IwFl", "hnsw": b"IHNf", "sq": b"IwSq"}
_OVERFETCHED = 64  # so many more are found and dropped; beyond, FAISS skips them itself
_LINKS = 16
_POINTS_A_LIST = 64
_ROUNDS = 6
_EFFORTS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096)


class FaissSearcher:
    """An index of FAISS; approximate ones look as far as their recall needs.

    Args:
        faiss: The module.
        index: Its index.
        built: How it searches.
        held: What the index points into, kept as long as it is.
    """

    def __init__(
        self,
        faiss: ModuleType,
        index: FaissObject,
        built: Built,
        held: object = None,
    ) -> None:
        self._faiss = faiss
        self._index = index
        self._held = held
        self.built = built
        _set_effort(index, built)

    def search(
        self, query: FloatArray, *, count: int, allowed: IntArray | None, excluded: IntArray
    ) -> tuple[IntArray, FloatArray]:
        """Return numbers and inner products, greatest first."""
        if allowed is not None or len(excluded) > _OVERFETCHED:
            return self._among(query, count, allowed, excluded)
        wanted = min(count, self._index.ntotal - len(excluded))
        if wanted < 1:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        products, rows = self._index.search(query[None, :], wanted + len(excluded))
        if not len(excluded) and rows[0, -1] >= 0:  # what is not found stands last
            return rows[0], products[0]
        kept = (rows[0] >= 0) & ~np.isin(rows[0], excluded)
        if np.count_nonzero(kept) < wanted:  # lists that were looked through held fewer
            return self._among(query, count, None, excluded)
        return rows[0][kept][:wanted], products[0][kept][:wanted]

    def _among(
        self, query: FloatArray, count: int, allowed: IntArray | None, excluded: IntArray
    ) -> tuple[IntArray, FloatArray]:
        """Search everything that may be found, skipping the rest by an id selector."""
        rest = np.arange(self._index.ntotal) if allowed is None else allowed
        keep = np.setdiff1d(rest, excluded)
        if not len(keep):
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        selector = self._faiss.IDSelectorBatch(keep.astype(np.int64))
        index, options = self._index, self._faiss.SearchParameters(sel=selector)
        if self.built.index == "hnsw":
            index = self._faiss.downcast_index(self._index.storage)
        elif self.built.index != "flat":
            options = self._faiss.SearchParametersIVF(sel=selector, nprobe=self._index.nlist)
        products, rows = index.search(query[None, :], min(count, len(keep)), params=options)
        found = rows[0] >= 0
        return rows[0][found], products[0][found]

    def vectors(self) -> FloatArray:
        """Return all vectors, ``(n, D)``."""
        if self.built.index in ("ivf", "sq"):
            self._index.make_direct_map()
        vectors: FloatArray = self._index.reconstruct_n(0, self._index.ntotal)
        return vectors

    def dump(self) -> Bytes:
        """Return the index as FAISS serialises it."""
        payload: Bytes = self._faiss.serialize_index(self._index)
        return payload

    def holes(self, rows: Sequence[int], payload: Bytes) -> list[Hole] | None:
        """Return where vectors, and the links of a graph, are; checked against the index."""
        if self.built.index in ("ivf", "sq"):
            try:
                return list_holes(self._faiss, self._index, rows, payload)
            except RuntimeError as error:  # numbers in the lists make no sense
                raise ArtefactError(f"FAISS cannot read the index: {error}") from error
        return graph_holes(self._faiss, self._index, rows, payload, self.built.index == "hnsw")


class FaissBackend:
    """FAISS, by inner product of unit vectors."""

    name: BackendName = "faiss"

    def __init__(self, faiss: ModuleType) -> None:
        self._faiss = faiss

    def build(self, vectors: FloatArray, kind: IndexKind) -> FaissSearcher:
        """Index unit vectors ``(n, D)``, and measure what an approximate index finds of them."""
        vectors = np.ascontiguousarray(vectors, np.float32)
        kind = kind_for(len(vectors), kind)
        index = self._empty(kind, *vectors.shape)
        if not index.is_trained:
            index.train(_sample(vectors, index.nlist))
        if kind == "flat":
            index.add(vectors)
            return FaissSearcher(self._faiss, index, Built())
        members, others = np.split(vectors, [len(vectors) - held_back(len(vectors))])
        exact = self._faiss.IndexFlatIP(vectors.shape[1])
        exact.add(members)
        index.add(members)
        effort, recall = least_effort(
            others, _efforts(kind, index), _searching(index), _searching(exact)
        )
        index.add(others)
        return FaissSearcher(self._faiss, index, Built(kind, effort, recall))

    def _empty(self, kind: IndexKind, count: int, width: int) -> FaissObject:
        faiss, metric = self._faiss, self._faiss.METRIC_INNER_PRODUCT
        flat = faiss.IndexFlatIP(width)
        if kind == "flat":
            return flat
        if kind == "hnsw":
            return faiss.IndexHNSWFlat(width, _LINKS, metric)
        lists = lists_for(count)
        if kind == "ivf":
            index = faiss.IndexIVFFlat(flat, width, lists, metric)
        else:
            bits = faiss.ScalarQuantizer.QT_8bit
            index = faiss.IndexIVFScalarQuantizer(flat, width, lists, bits, metric)
        index.cp.niter = _ROUNDS
        index.cp.max_points_per_centroid = _POINTS_A_LIST
        index.cp.min_points_per_centroid = 1
        index.own_fields = flat.this.disown() is None
        return index

    def load(self, payload: Bytes, built: Built, *, count: int, width: int) -> FaissSearcher:
        """Read an index of the kind that its manifest names; nothing else reaches FAISS's parser.

        The bytes are not copied where FAISS can read them in place (since 1.10).
        """
        if payload[:4].tobytes() != _MAGIC.get(built.index):
            raise ArtefactError(
                f"index starts with {payload[:4].tobytes()!r}, expected one of kind {built.index!r}"
            )
        try:
            index, held = self._read(payload)
        except RuntimeError as error:
            raise ArtefactError(f"FAISS cannot read the index: {error}") from error
        if (index.ntotal, index.d) != (count, width):
            raise ArtefactError(
                f"index holds {index.ntotal} vectors of width {index.d}, "
                f"expected {count} of {width}"
            )
        return FaissSearcher(self._faiss, index, built, held)

    def parsed(self, kind: IndexKind, *, count: int, width: int, length: int) -> int:
        """Return how many bytes come before inverted lists, or before the vectors themselves."""
        return length - count * BYTES_EACH[kind](width)

    def _read(self, payload: Bytes) -> tuple[FaissObject, object]:
        if not hasattr(self._faiss, "ZeroCopyIOReader"):
            return self._faiss.deserialize_index(np.array(payload)), None
        payload = np.asarray(payload)
        reader = self._faiss.ZeroCopyIOReader(self._faiss.swig_ptr(payload), payload.size)
        index = self._faiss.read_index(reader, self._faiss.IO_FLAG_MMAP_IFC)
        return index, (payload, reader)


def _sample(vectors: FloatArray, lists: int) -> FloatArray:
    """Return as many vectors as the centroids of the lists are learned from."""
    most = lists * _POINTS_A_LIST
    if len(vectors) <= most:
        return vectors
    rows = np.random.default_rng(0).choice(len(vectors), most, replace=False)
    return np.ascontiguousarray(vectors[np.sort(rows)])


def _efforts(kind: IndexKind, index: FaissObject) -> tuple[int, ...]:
    if kind == "hnsw":
        return _EFFORTS
    return (*(each for each in (1, 2, 4, *_EFFORTS) if each < index.nlist), index.nlist)


def _searching(index: FaissObject) -> Search:
    """Return the search of an index at an effort; one that has none takes 0."""

    def search(queries: FloatArray, count: int, effort: int) -> IntArray:
        if effort:
            _set_effort(index, Built("hnsw" if hasattr(index, "hnsw") else "ivf", effort))
        found: IntArray = index.search(queries, count)[1]
        return found

    return search


def _set_effort(index: FaissObject, built: Built) -> None:
    if built.index == "hnsw":
        index.hnsw.efSearch = max(built.effort, 1)
    elif built.index in ("ivf", "sq"):
        index.nprobe = max(built.effort, 1)

"""Vectors of one tenant at one generation, in memory; it never changes once built."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.index.backends import Backend, Searcher
from persona_engine.index.files import IndexFile, Manifest
from persona_engine.types import FloatArray, IntArray


@dataclass(frozen=True)
class Snapshot:
    """Searchable vectors of one tenant; satisfies `persona_engine.interfaces.VectorIndex`.

    Args:
        manifest: Whose vectors, of what, from which state of SQL.
        keys: Name of each vector, ascending.
        searcher: The vectors, unit length (or zero).
    """

    manifest: Manifest
    keys: tuple[str, ...]
    searcher: Searcher

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {key: row for row, key in enumerate(self.keys)}

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def search(
        self,
        query: FloatArray,
        *,
        count: int,
        allowed: Collection[str] | None = None,
        exclude: Collection[str] = (),
    ) -> list[tuple[str, float]]:
        """Return the nearest keys and their cosine similarity, nearest first.

        Args:
            query: A vector of the index's width; its length makes no difference.
            count: How many to return; fewer come back only where fewer exist.
            allowed: Search among these keys only; unknown ones are passed over.
            exclude: Leave these keys out of the search.

        Raises:
            InvalidInputError: The query has another width, is zero or not finite, or the count is
                below 1.
        """
        if count < 1:
            raise InvalidInputError(f"count is {count!r}, expected at least 1")
        unit = _unit_query(query, width=self.manifest.width if self.keys else None)
        if not self.keys:
            return []
        rows, cosines = self.searcher.search(
            unit,
            count=count,
            allowed=None if allowed is None else self._numbers(allowed),
            excluded=self._numbers(exclude),
        )
        found = [
            (self.keys[row], float(np.clip(cosine, -1.0, 1.0)))
            for row, cosine in zip(rows.tolist(), cosines.tolist(), strict=True)
        ]
        return sorted(found, key=lambda each: (-each[1], each[0]))

    def _numbers(self, keys: Collection[str]) -> IntArray:
        """Return the row numbers of the keys that are in the index, ascending."""
        rows = {self._rows[key] for key in keys if key in self._rows}
        return np.array(sorted(rows), np.int64)


def build_snapshot(
    entries: Iterable[tuple[str, FloatArray]], *, manifest: Manifest, backend: Backend
) -> Snapshot:
    """Index entries, whatever their order; a zero vector has cosine 0 to everything.

    Raises:
        InvalidInputError: A key occurs twice, or a vector is not finite or of another width.
    """
    ordered = sorted(entries, key=lambda entry: entry[0])
    keys = tuple(key for key, _ in ordered)
    for before, after in pairwise(keys):
        if before == after:
            raise InvalidInputError(f"key {after!r} occurs twice, expected one vector for each")
    vectors = _unit_rows(keys, [vector for _, vector in ordered])
    return from_vectors(keys, vectors, manifest=manifest, backend=backend)


def from_vectors(
    keys: tuple[str, ...], vectors: FloatArray, *, manifest: Manifest, backend: Backend
) -> Snapshot:
    """Index unit vectors ``(n, D)`` under keys in ascending order."""
    count, width = vectors.shape
    described = Manifest(
        tenant=manifest.tenant,
        kind=manifest.kind,
        fingerprint=manifest.fingerprint,
        generation=manifest.generation,
        count=count,
        width=width,
        backend=backend.name,
    )
    return Snapshot(described, keys, backend.build(vectors))


def read_snapshot(file: IndexFile, *, backend: Backend) -> Snapshot:
    """Return the snapshot that a verified file holds."""
    manifest = file.manifest
    searcher = backend.load(file.payload, count=manifest.count, width=manifest.width)
    return Snapshot(manifest, file.keys, searcher)


def _unit_rows(keys: tuple[str, ...], vectors: list[FloatArray]) -> FloatArray:
    """Return the vectors at unit length, ``(n, D)``."""
    widths = {np.shape(vector) for vector in vectors}
    if len(widths) > 1 or any(len(shape) != 1 or shape[0] < 1 for shape in widths):
        raise InvalidInputError(
            f"vectors have shapes {sorted(widths)}, expected one width for all",
            remedy="encode them again with one encoder",
        )
    if not vectors:
        return np.zeros((0, 1), np.float32)
    stacked = np.stack(vectors).astype(np.float32)  # (n, D)
    finite = np.isfinite(stacked).all(axis=1)
    if not finite.all():
        raise InvalidInputError(
            f"vector of {keys[int(np.argmin(finite))]!r} has values that are not finite"
        )
    lengths = np.linalg.norm(stacked.astype(np.float64), axis=1, keepdims=True)
    unit: FloatArray = (stacked / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return unit


def _unit_query(query: FloatArray, *, width: int | None) -> FloatArray:
    """Return the query at unit length."""
    vector = np.asarray(query, np.float64)
    if vector.ndim != 1 or (width is not None and len(vector) != width):
        raise InvalidInputError(
            f"query has shape {vector.shape}, expected ({width or 'D'},)",
            remedy="use the encoder that the index was built with",
        )
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0.0:
        raise InvalidInputError(
            "query is zero or not finite, so it is near to nothing",
            remedy="search once something is known: comparisons of a user, words of a text",
        )
    unit: FloatArray = (vector / length).astype(np.float32)
    return unit

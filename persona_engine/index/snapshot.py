"""Vectors of one tenant at one generation, in memory; it never changes once built."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice, pairwise
from typing import Literal

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.index.backends import Backend, Built, Searcher
from persona_engine.index.files import IndexFile, Manifest
from persona_engine.index.keys import KeyTable
from persona_engine.index.kinds import IndexKind, kind_for
from persona_engine.types import FloatArray, IntArray

_CHUNK = 4_096


@dataclass(frozen=True)
class Snapshot:
    """Searchable vectors of one tenant; satisfies `persona_engine.interfaces.VectorIndex`.

    Args:
        manifest: Whose vectors, of what, from which state of SQL.
        keys: Name of each vector, ascending; blank where it was erased.
        searcher: The vectors, unit length (or zero).
    """

    manifest: Manifest
    keys: KeyTable
    searcher: Searcher

    def __len__(self) -> int:
        return len(self.keys) - len(self.keys.erased)

    def __contains__(self, key: object) -> bool:
        return key in self.keys

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
        unit = _unit_query(query, width=self.manifest.width if len(self.keys) else None)
        if not len(self.keys):
            return []
        rows, cosines = self.searcher.search(
            unit,
            count=count,
            allowed=None if allowed is None else self._numbers(allowed),
            excluded=self._excluded(exclude),
        )
        turned = np.minimum(np.maximum(-cosines, -1.0), 1.0).tolist()
        named = sorted(zip(turned, self.keys.named(rows), strict=True))
        return [(key, -cosine) for cosine, key in named if key]

    def _excluded(self, exclude: Collection[str]) -> IntArray:
        """Return the row numbers to leave out: the named ones, and those that were erased."""
        if not exclude:
            return self.keys.erased
        return np.union1d(self._numbers(exclude), self.keys.erased)

    def _numbers(self, keys: Collection[str]) -> IntArray:
        """Return the row numbers of the keys that are in the index, ascending."""
        rows = {row for key in keys if (row := self.keys.find(key)) is not None}
        return np.array(sorted(rows), np.int64)


def build_snapshot(
    entries: Iterable[tuple[str, FloatArray]],
    *,
    manifest: Manifest,
    backend: Backend,
    index: IndexKind | Literal["auto"] = "auto",
) -> Snapshot:
    """Index entries, whatever their order; a zero vector has cosine 0 to everything.

    Args:
        entries: Keys and vectors ``(D,)``; read once, and held as one array.
        manifest: Of what; the rest is filled in.
        backend: Builds the index.
        index: Its kind, or ``auto`` for the one that suits their number.

    Raises:
        InvalidInputError: A key occurs twice, vectors differ in width, or one is not finite.
    """
    keys: list[str] = []
    chunks: list[FloatArray] = []
    remaining = iter(entries)
    while part := list(islice(remaining, _CHUNK)):
        names = [key for key, _ in part]
        keys += names
        chunks.append(_unit_rows(names, [vector for _, vector in part]))
    vectors = _joined(chunks)
    if any(first >= second for first, second in pairwise(keys)):
        order = sorted(range(len(keys)), key=keys.__getitem__)
        keys, vectors = [keys[row] for row in order], vectors[order]
    twice = next((first for first, second in pairwise(keys) if first == second), None)
    if twice is not None:
        raise InvalidInputError(f"key {twice!r} occurs twice, expected one vector for each")
    searcher = backend.build(vectors, kind_for(len(keys), index))
    count, width = vectors.shape
    described = replace(
        manifest,
        count=count,
        width=width,
        backend=backend.name,
        built_at=time.time(),
        **asdict(searcher.built),
    )
    return Snapshot(described, KeyTable.of(keys), searcher)


def read_snapshot(file: IndexFile, *, backend: Backend) -> Snapshot:
    """Return the snapshot that a verified file holds."""
    manifest = file.manifest
    built = Built(manifest.index, manifest.effort, manifest.recall)
    searcher = backend.load(file.payload, built, count=manifest.count, width=manifest.width)
    return Snapshot(manifest, file.keys, searcher)


def _joined(chunks: list[FloatArray]) -> FloatArray:
    """Return all rows as one array, ``(n, D)``."""
    if len({each.shape[1] for each in chunks}) > 1:
        raise _several_widths({(each.shape[1],) for each in chunks})
    return np.concatenate(chunks) if chunks else np.zeros((0, 1), np.float32)


def _several_widths(widths: Collection[tuple[int, ...]]) -> InvalidInputError:
    return InvalidInputError(
        f"vectors have shapes {sorted(widths)}, expected one width for all",
        remedy="encode them again with one encoder",
    )


def _unit_rows(keys: Sequence[str], vectors: list[FloatArray]) -> FloatArray:
    """Return the vectors at unit length, ``(n, D)``."""
    widths = {np.shape(vector) for vector in vectors}
    if len(widths) > 1 or any(len(shape) != 1 or shape[0] < 1 for shape in widths):
        raise _several_widths(widths)
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
    length = math.sqrt(vector @ vector)
    if not 0.0 < length < math.inf:
        raise InvalidInputError(
            "query is zero or not finite, so it is near to nothing",
            remedy="search once something is known: comparisons of a user, words of a text",
        )
    unit: FloatArray = (vector / length).astype(np.float32)
    return unit

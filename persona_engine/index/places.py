"""Where a vector lies in FAISS's serialised indexes, so that it can be erased in its place.

FAISS writes what vectors are coded as at the very end: the inverted lists of ``ivf`` and ``sq`` one
after the other, codes before numbers; the vectors of ``flat``, and of the storage below an
``hnsw``'s graph, row by row. Each place is compared with what the index itself holds; where they
differ, this version of FAISS writes otherwise, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from persona_engine.index.backends import Bytes, Hole
from persona_engine.index.kinds import IndexKind

FaissObject = Any  # the package has no types

_AFTER_LINKS = 20  # entry point, top level, two efforts, and one field that is no longer used
NUMBER = 8
BYTES_EACH: dict[IndexKind, Callable[[int], int]] = {
    "flat": lambda width: 4 * width,
    "hnsw": lambda width: 4 * width,
    "ivf": lambda width: 4 * width + NUMBER,
    "sq": lambda width: width + NUMBER,
}
"""What a vector of a width takes at the end of a serialised index."""


def list_holes(
    faiss: ModuleType,
    index: FaissObject,
    rows: Sequence[int],
    payload: Bytes,
) -> list[Hole] | None:
    """Return the places of vectors in inverted lists, None where they are not as expected."""
    index.make_direct_map()
    lists, size = index.invlists, index.code_size
    sizes = np.array([lists.list_size(each) for each in range(index.nlist)], np.int64)
    ends = np.cumsum(sizes) * (size + NUMBER)
    start = len(payload) - int(ends[-1])
    holes = []
    for row in rows:
        place = int(index.direct_map.get(row))
        number, within = place >> 32, place & 0xFFFFFFFF
        begin = int(ends[number] - sizes[number] * (size + NUMBER))
        numbers = start + begin + int(sizes[number]) * size
        hole = Hole(start + begin + within * size, size, number=numbers + within * NUMBER)
        code = faiss.rev_swig_ptr(lists.get_single_code(number, within), size)
        if not _holds(payload, hole, code):
            return None
        holes.append(hole)
    return holes


def graph_holes(
    faiss: ModuleType,
    index: FaissObject,
    rows: Sequence[int],
    payload: Bytes,
    graph: bool,
) -> list[Hole] | None:
    """Return the places of vectors stored row by row, and of their links where there is a graph."""
    size, total = 4 * index.d, index.ntotal
    start = len(payload) - total * size
    holes = []
    for row in rows:
        hole = Hole(start + row * size, size)
        if not _holds(payload, hole, index.reconstruct(row).view(np.uint8)):
            return None
        holes.append(hole)
    if not graph:
        return holes
    header = len(faiss.serialize_index(faiss.IndexFlatIP(index.d)))
    links = _link_holes(faiss, index.hnsw, rows, payload, start - header - _AFTER_LINKS)
    return None if links is None else holes + links


def _link_holes(
    faiss: ModuleType,
    graph: FaissObject,
    rows: Sequence[int],
    payload: Bytes,
    end: int,
) -> list[Hole] | None:
    """Return the places of the rows' own links, which tell of whom they are near to."""
    start = end - 4 * graph.neighbors.size()
    links = faiss.rev_swig_ptr(graph.neighbors.data(), graph.neighbors.size())
    holes = []
    for row in rows:
        first, last = graph.offsets.at(row), graph.offsets.at(row + 1)
        hole = Hole(start + 4 * first, 4 * (last - first), 0xFF)
        if row == graph.entry_point or not _holds(payload, hole, links[first:last].view(np.uint8)):
            return None
        holes.append(hole)
    return holes


def _holds(payload: Bytes, hole: Hole, wanted: Bytes) -> bool:
    found = payload[hole.offset : hole.offset + hole.length]
    return hole.offset >= 0 and bool(np.array_equal(found, wanted))

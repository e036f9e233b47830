"""The names of an index's vectors, as they lie in the file: found without reading them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import ArtefactError
from persona_engine.types import IntArray

Bytes = NDArray[np.uint8]


class KeyTable:
    """Keys in ascending order, one after the other in UTF-8; erased ones are blank.

    UTF-8 sorts as code points do, so that a key is found by bisection in the mapped file.

    Args:
        ends: ``(n + 1,)`` where each key begins, and the last one ends.
        text: All keys, one after the other.
    """

    def __init__(self, ends: NDArray[np.uint64], text: Bytes) -> None:
        self.ends = ends
        self.text = text

    @classmethod
    def of(cls, keys: Sequence[str]) -> KeyTable:
        """Return the table of keys in ascending order."""
        encoded = [key.encode() for key in keys]
        lengths = np.fromiter(chain([0], map(len, encoded)), np.uint64, len(encoded) + 1)
        return cls(np.cumsum(lengths, dtype=np.uint64), np.frombuffer(b"".join(encoded), np.uint8))

    @staticmethod
    def where_it_ends(count: int) -> int:
        """Return after how many bytes of a table it is known how long it is."""
        return 8 * (count + 1)

    @classmethod
    def read(cls, body: Bytes, count: int) -> tuple[KeyTable, int]:
        """Return the table at the start of some bytes, and its length.

        Raises:
            ArtefactError: There is none.
        """
        start = cls.where_it_ends(count)
        ends = body[:start].view("<u8") if len(body) >= start else np.zeros(0, np.uint64)
        if not len(ends) or int(ends[-1]) > len(body) - start:
            raise ArtefactError(f"index lacks the names of its {count} vectors")
        length = start + int(ends[-1])
        return cls(ends, body[start:length]), length

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __iter__(self) -> Iterator[str]:
        """Yield the keys that were not erased."""
        return (key for key in map(self.key, range(len(self))) if key is not None)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.find(key) is not None

    def key(self, row: int) -> str | None:
        """Return the key of a vector, None where it was erased."""
        raw = self._raw(row)
        return None if raw[:1] == b"\0" else raw.decode()

    def named(self, rows: IntArray) -> list[str]:
        """Return the keys of vectors, blank where they were erased."""
        begins, ends = self.ends[rows].tolist(), self.ends[rows + 1].tolist()
        text = self.text.data
        names = [str(text[begin:end], "utf-8") for begin, end in zip(begins, ends, strict=True)]
        return [each.rstrip("\0") for each in names] if len(self.erased) else names

    def find(self, key: str) -> int | None:
        """Return the number of a key's vector, None where there is none."""
        wanted = key.encode("utf-8", "surrogatepass")
        low, high = 0, len(self)
        while low < high:
            middle = probe = (low + high) // 2
            while probe < high and (raw := self._raw(probe))[:1] == b"\0":
                probe += 1
            if probe == high:
                high = middle
            elif raw == wanted:
                return probe
            elif raw < wanted:
                low = probe + 1
            else:
                high = middle
        return None

    def span(self, row: int) -> tuple[int, int]:
        """Return where in the table's bytes a key begins, and its length."""
        begin = int(self.ends[row])
        return 8 * len(self.ends) + begin, int(self.ends[row + 1]) - begin

    @cached_property
    def erased(self) -> IntArray:
        """Numbers of the vectors that were erased."""
        if not len(self.text):
            return np.zeros(0, np.int64)
        return np.flatnonzero(self.text[self.ends[:-1].astype(np.int64)] == 0)

    def buffers(self) -> tuple[bytes, bytes]:
        """Return the table's bytes, as `read` takes them."""
        return self.ends.astype("<u8").tobytes(), self.text.tobytes()

    def _raw(self, row: int) -> bytes:
        return self.text[int(self.ends[row]) : int(self.ends[row + 1])].tobytes()

"""The hash of each mebibyte of a file's body: a part of it is checked without reading the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import ArtefactError

Bytes = NDArray[np.uint8]
Buffer = bytes | memoryview
SIZE = 1 << 20
_HASH = 32


class Blocks:
    """Bytes and what their hashes have to be.

    Args:
        body: The bytes, mapped into memory.
        hashes: The sha256 of each mebibyte of them, one after the other.

    Raises:
        ArtefactError: There are more or fewer hashes than mebibytes.
    """

    def __init__(self, body: Bytes, hashes: Bytes) -> None:
        if len(hashes) != _HASH * -(-len(body) // SIZE):
            raise ArtefactError("index does not match its checksum: it is cut short, or too long")
        self.body = body
        self.hashes = hashes.reshape(-1, _HASH)

    def require(self, begin: int, end: int) -> None:
        """Raise unless every block that these bytes touch is as it was written.

        Raises:
            ArtefactError: One is not, or there are no such bytes.
        """
        if not 0 <= begin <= end <= len(self.body):
            raise ArtefactError(f"index has {len(self.body)} bytes, expected {begin} to {end}")
        for block in touched([(begin, end)]):
            if self.hash_of(block) != self.hashes[block].tobytes():
                raise ArtefactError(f"index does not match its checksum at block {block}")

    def hash_of(self, block: int) -> bytes:
        """Return the hash that a block has now."""
        return hashlib.sha256(self.body[block * SIZE : (block + 1) * SIZE].data).digest()


def touched(spans: Iterable[tuple[int, int]]) -> list[int]:
    """Return the blocks that bytes from one place to before another lie in, ascending.

    Examples:
        >>> touched([(0, 1), (SIZE - 1, SIZE + 1), (5 * SIZE, 5 * SIZE)])
        [0, 1]
    """
    places = (range(begin // SIZE, -(-end // SIZE)) for begin, end in spans if end > begin)
    return sorted({block for each in places for block in each})


def hashes_of(pieces: Sequence[Buffer]) -> Iterator[bytes]:
    """Yield the sha256 of each mebibyte of the pieces, taken as one."""
    digest, room = hashlib.sha256(), SIZE
    filled = False
    for piece in pieces:
        view, done = memoryview(piece), 0
        while done < len(view):
            part = view[done : done + room]
            digest.update(part)
            done, room, filled = done + len(part), room - len(part), True
            if not room:
                yield digest.digest()
                digest, room, filled = hashlib.sha256(), SIZE, False
    if filled:
        yield digest.digest()

"""What is known of instructions that come again with every request."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from persona_engine.types import FloatArray

_MOST = 4096


class Memory:
    """Remembers one row for each of the texts used last; the texts themselves are not kept.

    Args:
        most: How many rows to remember.

    Examples:
        >>> memory = Memory()
        >>> memory.rows(["a"], lambda positions: np.ones((len(positions), 2), np.float32))
        array([[1., 1.]], dtype=float32)
        >>> memory.rows(["a"], lambda positions: 1 / 0)
        array([[1., 1.]], dtype=float32)
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._known: OrderedDict[bytes, FloatArray] = OrderedDict()
        self._lock = threading.Lock()

    def rows(self, texts: Sequence[str], find: Callable[[Sequence[int]], FloatArray]) -> FloatArray:
        """Return a row for each text; ``find`` gives those of positions not seen before."""
        keys = [_key(each) for each in texts]
        with self._lock:
            found = {key: self._known[key] for key in keys if key in self._known}
        new = {key: at for at, key in enumerate(keys) if key not in found}
        if new:
            found.update(zip(new, find(list(new.values())), strict=True))
        self._remember(found)
        return np.stack([found[key] for key in keys])

    def whole(self, text: str, find: Callable[[], FloatArray]) -> FloatArray:
        """Return what is known of one text, as it was found; not to be written to."""
        key = _key(text)
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = find()
            known.flags.writeable = False
        self._remember({key: known})
        return known

    def _remember(self, found: dict[bytes, FloatArray]) -> None:
        with self._lock:
            for key, row in found.items():
                self._known[key] = row
                self._known.move_to_end(key)
            while len(self._known) > self._most:
                self._known.popitem(last=False)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()

"""What is known of instructions that come again with every request."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

_MOST = 4096
Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Remembers one value for each of the texts used last; the texts themselves are not kept.

    Args:
        most: How many values to remember.

    Examples:
        >>> memory = Memory[int](most=8)
        >>> memory.one("a", lambda: 3), memory.one("a", lambda: 1 // 0)
        (3, 3)
    """

    def __init__(self, *, most: int = _MOST) -> None:
        self._most = most
        self._known: OrderedDict[bytes, Value] = OrderedDict()
        self._lock = threading.Lock()

    def one(self, text: str, find: Callable[[], Value]) -> Value:
        """Return what is known of a text; ``find`` tells it the first time."""
        key = _key(text)
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = find()
        self._remember({key: known})
        return known

    def each(
        self, texts: Sequence[str], find: Callable[[Sequence[int]], Sequence[Value]]
    ) -> list[Value]:
        """Return a value for each text; ``find`` gives those of positions not seen before."""
        keys = [_key(each) for each in texts]
        with self._lock:
            found = {key: self._known[key] for key in keys if key in self._known}
        new = {key: at for at, key in enumerate(keys) if key not in found}
        if new:
            found.update(zip(new, find(list(new.values())), strict=True))
        self._remember(found)
        return [found[key] for key in keys]

    def _remember(self, found: dict[bytes, Value]) -> None:
        with self._lock:
            for key, value in found.items():
                self._known[key] = value
                self._known.move_to_end(key)
            while len(self._known) > self._most:
                self._known.popitem(last=False)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()

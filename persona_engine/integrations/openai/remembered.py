"""What was found out about servers, for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


class Remembered(Generic[ValueT]):
    """Values that are forgotten after a while, the oldest first where there are too many.

    Args:
        seconds: How long they hold.
        most: How many are kept.
        clock: Seconds, only ever growing.

    Examples:
        >>> times = iter([0.0, 5.0, 11.0])
        >>> found = Remembered(seconds=10.0, clock=lambda: next(times))
        >>> found.put("server", 1)
        >>> found.get("server"), found.get("server")
        (1, None)
    """

    def __init__(
        self, *, seconds: float, most: int = 256, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._held: OrderedDict[Hashable, tuple[float, ValueT]] = OrderedDict()

    def get(self, key: Hashable) -> ValueT | None:
        """Return what is remembered, or None."""
        held = self._held.get(key)
        return None if held is None or self._clock() - held[0] >= self._seconds else held[1]

    def put(self, key: Hashable, value: ValueT) -> None:
        """Remember from now on."""
        self._held[key] = (self._clock(), value)
        while len(self._held) > self._most:
            self._held.popitem(last=False)

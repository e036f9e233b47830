"""Rate limits per key, over all processes that share a database."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from persona_engine.server.problems import Problem, RefusedError
from persona_engine.store import Store, burst_of

if TYPE_CHECKING:
    from persona_engine.server.security.keys import Caller

_BLOCKS = 16
_MOST_KEYS = 10_000


@dataclass(slots=True)
class _Held:
    """Requests that this process has drawn and not yet let through."""

    requests: int = 0
    empty_until: float = 0.0
    drawing: asyncio.Lock = field(default_factory=asyncio.Lock)


class RateLimits:
    """Lets a key's requests through, or says when to come again.

    A key may make ``per_minute`` requests a minute, and those of ten seconds at once. The count is
    in the database, and each process draws a few requests at a time, a sixteenth of those ten
    seconds at most: so all processes together never let through more than that beyond the limit
    for each of them, and hardly any request waits for the database. Processes on several machines
    count by their own clocks.

    Args:
        store: Where the count is.
        per_minute: Limit of keys that have none of their own; None for none.
    """

    def __init__(self, store: Store, *, per_minute: int | None) -> None:
        self._rates = store.rates
        self._per_minute = per_minute
        self._held: OrderedDict[str, _Held] = OrderedDict()

    async def take(self, caller: Caller) -> None:
        """Let a request of a key through.

        Raises:
            RefusedError: There were too many; it says when to come again.
        """
        per_minute = caller.per_minute or self._per_minute
        if per_minute is None:
            return
        held = self._of(caller.key_id)
        async with held.drawing:
            if held.requests == 0:
                await self._draw(caller.key_id, held, per_minute)
            held.requests -= 1

    async def _draw(self, key: str, held: _Held, per_minute: int) -> None:
        wait = held.empty_until - monotonic()
        if wait > 0.0:
            raise RefusedError(_too_many(per_minute, wait))
        burst = burst_of(per_minute)
        drawn = await run_in_threadpool(
            self._rates.draw,
            key,
            per_minute=per_minute,
            burst=burst,
            most=max(1, burst // _BLOCKS),
        )
        if drawn.granted == 0:
            held.empty_until = monotonic() + drawn.wait
            raise RefusedError(_too_many(per_minute, drawn.wait))
        held.requests = drawn.granted

    def _of(self, key: str) -> _Held:
        held = self._held.setdefault(key, _Held())
        self._held.move_to_end(key)
        while len(self._held) > _MOST_KEYS:
            self._held.popitem(last=False)
        return held


def _too_many(per_minute: int, wait: float) -> Problem:
    seconds = max(1, math.ceil(wait))
    return Problem(
        429,
        "too_many_requests",
        f"the key made more than {per_minute} requests a minute",
        f"try again in {seconds} s, or raise its limit with `persona keys create --per-minute`",
        headers=(("Retry-After", str(seconds)),),
    )

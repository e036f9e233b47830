"""How many requests a key may still make: a bucket that fills by itself, shared by all processes.

The bucket is kept as the time at which it will be full (the virtual scheduling of the generic cell
rate algorithm, ITU-T I.371): one number, which nobody has to refill.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from persona_engine.store.clock import Clock, to_micros
from persona_engine.store.database import Database
from persona_engine.store.schema import request_rate as table

_OF_KEY = table.c.api_key == bindparam("of_key")
_FIND = select(table.c.full_at).where(_OF_KEY).with_for_update()
_INSERT = insert(table).inline()
_UPDATE = update(table).where(_OF_KEY).values(full_at=bindparam("then"))
_MINUTE = 60_000_000
_BURST_SECONDS = 10.0


def burst_of(per_minute: int) -> int:
    """Return how many requests may be made at once: those of ten seconds.

    Examples:
        >>> burst_of(600), burst_of(2)
        (100, 1)
    """
    return max(1, round(per_minute * _BURST_SECONDS / 60.0))


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn from a bucket.

    Args:
        granted: How many requests may be made.
        wait: Seconds until one may be, where none may now.
    """

    granted: int
    wait: float


class Rates:
    """The buckets of all keys; made by `Store.rates`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def draw(self, key: str, *, per_minute: int, burst: int, most: int) -> Drawn:
        """Draw up to ``most`` requests from a key's bucket, and at most an eighth of what is in it.

        Args:
            key: Whose.
            per_minute: How many come in a minute.
            burst: How many it holds.
            most: How many are wanted; a single one is given as long as there is one.
        """
        interval = _MINUTE // per_minute
        now = to_micros(self._clock())

        def work(connection: Connection) -> Drawn:
            found = connection.execute(_FIND, {"of_key": key}).scalar()
            # A clock that was ahead must not shut a key out: no bucket is more than empty.
            full_at = min(max(now if found is None else found, now), now + burst * interval)
            there = (burst * interval - (full_at - now)) // interval
            granted = min(most, there, max(1, there // 8))
            if not granted:
                return Drawn(0, (full_at - now - (burst - 1) * interval) / 1e6)
            then = full_at + granted * interval
            if found is None:
                connection.execute(_INSERT, {"api_key": key, "full_at": then})
            else:
                connection.execute(_UPDATE, {"of_key": key, "then": then})
            return Drawn(granted, 0.0)

        return self._database.write(work)

"""Rate limits on both databases: exact in one process, bounded over several."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from persona_engine.server.problems import RefusedError
from persona_engine.server.security.keys import Caller
from persona_engine.server.security.rates import RateLimits
from persona_engine.store import Store


@pytest.fixture
def store(store_url, now):
    with Store(store_url, clock=lambda: now[0]) as opened:
        yield opened


def caller(key: str = "k", per_minute: int | None = None) -> Caller:
    return Caller("acme", key, frozenset(("chat",)), per_minute)


async def passed(limits: RateLimits, who: Caller, attempts: int) -> tuple[int, str]:
    """Return how many of so many requests were let through, and when to come again."""
    through, wait = 0, ""
    for _ in range(attempts):
        try:
            await limits.take(who)
            through += 1
        except RefusedError as error:
            wait = f"{error.problem.status} {dict(error.problem.headers)['Retry-After']}"
    return through, wait


def test_a_burst_then_the_rate(store, now):
    rates = store.rates
    for _ in range(10):
        assert rates.draw("k", per_minute=60, burst=10, most=1).granted == 1
    empty = rates.draw("k", per_minute=60, burst=10, most=1)
    assert (empty.granted, empty.wait) == (0, 1.0)
    now[0] += timedelta(seconds=0.75)
    assert rates.draw("k", per_minute=60, burst=10, most=1).wait == 0.25
    now[0] += timedelta(seconds=2.25)
    assert sum(rates.draw("k", per_minute=60, burst=10, most=1).granted for _ in range(9)) == 3
    now[0] += timedelta(hours=1)  # a bucket holds no more than a burst
    assert sum(rates.draw("k", per_minute=60, burst=10, most=1).granted for _ in range(99)) == 10


def test_few_are_drawn_from_a_bucket_that_is_nearly_empty(store):
    drawn = [store.rates.draw("k", per_minute=6000, burst=80, most=62).granted for _ in range(80)]
    assert drawn[0] == 10
    assert drawn == sorted(drawn, reverse=True)
    assert sum(drawn) == 80


def test_a_clock_that_was_ahead_shuts_nobody_out(store, now):
    now[0] += timedelta(days=1)
    store.rates.draw("k", per_minute=60, burst=10, most=10)
    now[0] -= timedelta(days=1)
    assert store.rates.draw("k", per_minute=60, burst=10, most=1).wait <= 1.0


def test_each_key_has_its_own_limit(store):
    async def work():
        limits = RateLimits(store, per_minute=60)
        assert (await passed(limits, caller("a"), 30))[0] == 10
        assert (await passed(limits, caller("b"), 30))[0] == 10
        assert (await passed(limits, caller("c", 6), 30)) == (1, "429 10")
        free = RateLimits(store, per_minute=None)
        assert (await passed(free, caller("a"), 30))[0] == 30
        assert (await passed(free, caller("d", 60), 30))[0] == 10

    asyncio.run(work())


def test_processes_share_the_count(store, store_url, now):
    """Each of four processes may be ahead by what it has drawn, here two of 33 at most."""
    through = []

    def process() -> None:
        with Store(store_url, clock=lambda: now[0]) as mine:
            limits = RateLimits(mine, per_minute=200)
            through.append(asyncio.run(passed(limits, caller(), 30))[0])

    workers = [threading.Thread(target=process) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(60)
    assert len(through) == 4
    assert 33 - 4 * 2 <= sum(through) <= 33


def test_hardly_any_request_waits_for_the_database(store, monkeypatch):
    limits = RateLimits(store, per_minute=6000)
    draws = []
    draw = limits._rates.draw
    monkeypatch.setattr(
        limits._rates, "draw", lambda *args, **kw: draws.append(1) or draw(*args, **kw)
    )
    assert asyncio.run(passed(limits, caller(), 800))[0] == 800
    assert len(draws) < 40

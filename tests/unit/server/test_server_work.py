"""The bounded queue: what runs, what waits, what is refused, and what is taken back."""

from __future__ import annotations

import asyncio
import threading

import pytest

from persona_engine.observing import SILENT
from persona_engine.server.work import BusyError, Lane

WAIT = 30.0


@pytest.fixture
def lane():
    made = Lane("test", running=1, waiting=2, observer=SILENT)
    yield made
    made.close()


class Gate:
    """A job that runs until it is let go."""

    def __init__(self):
        self.begun, self.free = threading.Event(), threading.Event()

    def __call__(self):
        self.begun.set()
        assert self.free.wait(WAIT)
        return "done"


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.free.set()


def test_so_many_run_and_wait_and_the_next_is_refused_with_a_time_to_come_again(lane, gate):
    running, *waiting = lane.submit([gate, lambda: 1, lambda: 2])
    assert gate.begun.wait(WAIT)
    assert (lane.taken, lane.waiting) == (3, 2)
    with pytest.raises(BusyError, match="try again in") as refused:
        lane.submit([lambda: 3])
    assert 1 <= refused.value.retry_after <= 60
    gate.free.set()
    assert [each.result(WAIT) for each in (running, *waiting)] == ["done", 1, 2]


def test_several_jobs_are_taken_all_or_none(lane, gate):
    lane.submit([gate])
    with pytest.raises(BusyError):
        lane.submit([lambda: 1, lambda: 2, lambda: 3])
    assert lane.taken == 1


def test_a_job_that_is_taken_back_while_it_waits_gives_its_place_up(lane, gate):
    _, waiting = lane.submit([gate, lambda: 1])
    assert gate.begun.wait(WAIT)
    assert waiting.cancel()
    assert lane.taken == 1


def test_a_job_that_fails_gives_its_place_up_and_tells_why(lane):
    (failed,) = lane.submit([lambda: 1 / 0])
    with pytest.raises(ZeroDivisionError):
        failed.result(WAIT)
    assert lane.submit([lambda: 1])[0].result(WAIT) == 1
    assert lane.taken == 0


def test_the_event_loop_goes_on_while_a_job_runs(lane, gate):
    async def both():
        job = asyncio.create_task(lane.run(gate))
        while not gate.begun.is_set():
            await asyncio.sleep(0.001)
        gate.free.set()
        return await job

    assert asyncio.run(both()) == "done"


def test_a_request_that_ends_while_its_job_waits_takes_the_job_back(lane, gate):
    seen = []

    async def left():
        lane.submit([gate])
        waiting = asyncio.create_task(lane.run(lambda: seen.append(1)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(left())
    gate.free.set()
    lane.close()
    assert not seen

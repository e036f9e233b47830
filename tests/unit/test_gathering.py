"""Jobs of several threads are done in rounds; nobody waits in vain, and nobody for ever."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from persona_engine.generation.gathering import Gathering

DEADLINE = 60.0


class Rounds:
    """Squares numbers, a round at a time, and holds each round until it is let go.

    A clock that says that every round takes ages makes leaders as patient as they may be.
    """

    def __init__(self, *, most=100, patience=DEADLINE, held=True):
        self.seen = []
        self.go = threading.Semaphore(0 if held else 10**6)
        ticks = count(step=1_000_000)
        self.gathering = Gathering(
            self._squares, most=most, patience=patience, clock=lambda: next(ticks)
        )
        self.threads = ThreadPoolExecutor(16)

    def _squares(self, jobs):
        self.seen.append(list(jobs))
        assert self.go.acquire(timeout=DEADLINE)
        for job in jobs:
            if isinstance(job, BaseException):
                raise job
        return [job * job for job in jobs]

    def start(self, job, member=None, weight=1):
        """Hand in a job in a thread of its own, and wait until it waits or is done."""
        before = self._handed_in()
        future = self.threads.submit(self.gathering.do, job, member=member or job, weight=weight)
        until(lambda: self._handed_in() > before)
        return future

    def _handed_in(self):
        return len(self.gathering._waiting) + sum(map(len, self.seen))

    def let_go(self, rounds=1):
        self.go.release(rounds)


def until(true):
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.001)


def test_jobs_that_come_during_a_round_are_done_in_the_next_together():
    rounds = Rounds()
    first = rounds.start(1)
    others = [rounds.start(2), rounds.start(3)]
    rounds.let_go()
    assert first.result(DEADLINE) == 1
    rounds.gathering.leave(1)
    rounds.let_go()
    assert [each.result(DEADLINE) for each in others] == [4, 9]
    assert rounds.seen == [[1], [2, 3]]


def test_a_leader_waits_for_who_was_there_before_and_not_for_who_left():
    rounds = Rounds()
    begun = [rounds.start(2, "blocks"), rounds.start(3, "stays"), rounds.start(4, "leaves")]
    rounds.let_go()
    begun[0].result(DEADLINE)
    rounds.gathering.leave("blocks")
    rounds.let_go()
    assert [each.result(DEADLINE) for each in begun] == [4, 9, 16]
    again = rounds.start(5, "stays")
    assert len(rounds.seen) == 2  # it waits for the other
    also = rounds.start(6, "leaves")
    rounds.let_go()
    assert (again.result(DEADLINE), also.result(DEADLINE)) == (25, 36)
    last = rounds.start(7, "stays")
    rounds.gathering.leave("leaves")
    rounds.let_go()
    assert last.result(DEADLINE) == 49
    assert rounds.seen == [[2], [3, 4], [5, 6], [7]]


def test_who_does_not_come_is_waited_for_once():
    rounds = Rounds(patience=0.01, held=False)
    rounds.gathering._expected.add("gone")
    rounds.gathering._took = 1.0
    assert rounds.start(2, "here").result(DEADLINE) == 4
    assert rounds.gathering._expected == {"here"}


def test_only_the_job_that_is_at_fault_fails():
    rounds = Rounds()
    jobs = [rounds.start(1), rounds.start(2), rounds.start(ValueError("bad"), "bad")]
    jobs.append(rounds.start(4))
    rounds.let_go()
    jobs[0].result(DEADLINE)
    rounds.gathering.leave(1)
    rounds.let_go(10)
    assert [jobs[n].result(DEADLINE) for n in (0, 1, 3)] == [1, 4, 16]
    with pytest.raises(ValueError, match="bad"):
        jobs[2].result(DEADLINE)
    assert len(rounds.seen) == 5  # the first, all three, and each of them


def test_a_round_takes_no_more_than_it_may_and_the_longest_waiting_first():
    rounds = Rounds(most=4, patience=0.0)
    jobs = [rounds.start(1, weight=1)]
    jobs += [rounds.start(n, weight=weight) for n, weight in ((2, 3), (3, 3), (4, 9), (5, 1))]
    rounds.let_go(4)
    assert [each.result(DEADLINE) for each in jobs] == [1, 4, 9, 16, 25]
    assert rounds.seen == [[1], [2, 5], [3], [4]]


def test_other_work_is_done_between_rounds_in_turns():
    rounds, done = Rounds(patience=0.0), []
    first = rounds.start(1)
    waiting = []

    def work(name):
        with rounds.gathering.between_rounds():
            done.append((name, len(rounds.seen)))

    for name in "xy":
        waiting.append(rounds.threads.submit(work, name))
        until(lambda: len(rounds.gathering._between) == len(waiting))
    second = rounds.start(2)
    rounds.let_go(2)
    for each in (first, second, *waiting):
        each.result(DEADLINE)
    assert done == [("x", 1), ("y", 2)]  # a round stands between them
    with rounds.gathering.between_rounds():  # nobody waits: at once
        assert rounds.gathering._taken
    assert not rounds.gathering._taken


class Stop(BaseException):
    """Whatever ends a thread, such as an interrupt from the keyboard."""


def test_a_leader_that_is_interrupted_takes_nobody_with_it():
    rounds = Rounds(patience=0.0)
    first = rounds.start(1)
    interrupted = rounds.start(Stop(), "interrupted")
    other = rounds.start(3)
    rounds.let_go(3)
    assert first.result(DEADLINE) == 1
    with pytest.raises(Stop):
        interrupted.result(DEADLINE)
    assert other.result(DEADLINE) == 9
    assert rounds.seen[-1] == [3]
    assert not rounds.gathering._taken


def test_many_threads_that_come_and_go_all_get_what_is_theirs():
    gathering = Gathering(lambda jobs: [job * job for job in jobs], most=5, patience=0.001)

    def work(member):
        draw, found = random.Random(member), []
        for n in range(60):
            if draw.random() < 0.1:
                gathering.leave(member)
            if draw.random() < 0.1:
                with gathering.between_rounds():
                    time.sleep(0)
            job = 1_000 * member + n
            found.append(gathering.do(job, member=member, weight=draw.randint(1, 3)) == job * job)
        gathering.leave(member)
        return found

    with ThreadPoolExecutor(8) as threads:
        for found in threads.map(work, range(8), timeout=DEADLINE):
            assert all(found)
            assert len(found) == 60
    assert not gathering._taken
    assert not gathering._expected

"""Jobs of several threads that are done together, by whichever of the threads is at hand."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

J = TypeVar("J")
R = TypeVar("R")

# That share of what the last round took: who is left out loses a round.
_OF_A_ROUND = 0.5


class Gathering(Generic[J, R]):
    """Does the jobs of several threads in rounds, and other work between two rounds.

    There is no thread of its own: one of those that wait leads a round, and when it is over names
    the next leader. A leader waits for the members of the last round as long as half of that
    round took, and no longer; who comes late is in the next. Without others nobody waits.

    Args:
        together: Does some jobs at once and returns what came of each, in their order. When it
            raises, every job is done by itself, so that only those fail that are at fault.
        most: Greatest weight of the jobs of one round; a heavier one is done by itself.
        patience: Seconds that a leader waits at most.
        clock: Seconds, only ever growing.
    """

    def __init__(
        self,
        together: Callable[[Sequence[J]], Sequence[R]],
        *,
        most: int,
        patience: float = 0.05,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._together = together
        self._most = most
        self._patience = patience
        self._clock = clock
        self._mutex = threading.Lock()
        self._waiting: deque[_Ticket[J, R]] = deque()
        self._between: deque[_Turn] = deque()
        self._expected: set[object] = set()
        self._complete: threading.Event | None = None
        self._taken = False
        self._last_was_between = False
        self._took = 0.0

    def do(self, job: J, *, member: object, weight: int = 1) -> R:
        """Do a job in the next round that has room for it; return what came of it.

        Args:
            job: What is to be done.
            member: Whose it is, who is expected in the next round until it `leave`s; no two jobs
                of one member wait at once.
            weight: How much of a round it takes.

        Raises:
            Exception: Whatever the job raised.
        """
        ticket = _Ticket[J, R](job, member, weight)
        with self._mutex:
            self._waiting.append(ticket)
            if not self._taken:
                self._taken = True
                ticket.turn.give(leads=True)
            elif self._complete is not None and self._is_complete():
                self._complete.set()
        self._await(ticket.turn)
        while not ticket.done:
            self._lead(ticket)
            self._await(ticket.turn)
        return ticket.outcome()

    @contextmanager
    def between_rounds(self) -> Iterator[None]:
        """Do something that no round runs beside.

        Rounds and such work take turns where both wait, so that neither keeps the other from ever
        being done.
        """
        turn = _Turn()
        with self._mutex:
            if self._taken:
                self._between.append(turn)
            else:
                self._taken = True
                turn.give(leads=True)
        self._await(turn)
        try:
            yield
        finally:
            with self._mutex:
                self._last_was_between = True
                self._pass_on()

    def leave(self, member: object) -> None:
        """Expect no further job of a member."""
        with self._mutex:
            self._expected.discard(member)
            if self._complete is not None and self._is_complete():
                self._complete.set()

    def _lead(self, leader: _Ticket[J, R]) -> None:
        """Do one round; the leader's job is the first of it."""
        outcomes: list[_Outcome[R]] | None = None
        batch: list[_Ticket[J, R]] = []
        try:
            self._gather(batch)
            started = self._clock()
            outcomes = self._outcomes(batch)
        finally:
            with self._mutex:
                if outcomes is None:  # the leader is interrupted; the others are not
                    self._put_back(batch, leader)
                else:
                    self._took = self._clock() - started
                    self._hand_out(batch, outcomes)
                self._last_was_between = False
                self._pass_on()

    def _gather(self, batch: list[_Ticket[J, R]]) -> None:
        """Take the tickets of a round, the longest waiting first."""
        with self._mutex:
            if not self._is_complete():
                self._complete = threading.Event()
        if self._complete is not None:
            try:
                self._complete.wait(min(self._patience, _OF_A_ROUND * self._took))
            finally:
                self._complete = None
        with self._mutex:
            self._expected &= {each.member for each in self._waiting}
            batch.extend(self._next_round()[0])
            self._waiting = deque(each for each in self._waiting if each not in batch)

    def _next_round(self) -> tuple[list[_Ticket[J, R]], int]:
        """Return the tickets of the next round as things stand, and the room that is left."""
        batch, room = [self._waiting[0]], self._most - self._waiting[0].weight
        for each in list(self._waiting)[1:]:
            if each.weight <= room:
                batch.append(each)
                room -= each.weight
        return batch, room

    def _outcomes(self, batch: Sequence[_Ticket[J, R]]) -> list[_Outcome[R]]:
        try:
            results = self._together([each.job for each in batch])
            return [_Outcome(result=each) for _, each in zip(batch, results, strict=True)]
        except Exception as error:
            if len(batch) == 1:
                return [_Outcome(error=error)]
        return [outcome for each in batch for outcome in self._outcomes([each])]

    def _is_complete(self) -> bool:
        """Whether everybody who is expected is there, or as many as a round takes."""
        here = {each.member for each in self._waiting}
        return self._expected <= here or self._next_round()[1] <= 0

    def _hand_out(self, batch: Sequence[_Ticket[J, R]], outcomes: Sequence[_Outcome[R]]) -> None:
        for ticket, outcome in zip(batch, outcomes, strict=True):
            ticket.done = outcome
            if outcome.error is None:
                self._expected.add(ticket.member)
            else:
                self._expected.discard(ticket.member)
            ticket.turn.give(leads=False)

    def _put_back(self, batch: Sequence[_Ticket[J, R]], leader: _Ticket[J, R]) -> None:
        self._expected.discard(leader.member)
        if leader in self._waiting:
            self._waiting.remove(leader)
        self._waiting.extendleft(each for each in reversed(batch) if each is not leader)

    def _pass_on(self) -> None:
        """Give the turn to whoever is next; nobody leads where nobody waits."""
        if self._between and not (self._waiting and self._last_was_between):
            self._between.popleft().give(leads=True)
        elif self._waiting:
            self._waiting[0].turn.give(leads=True)
        else:
            self._taken = False

    def _await(self, turn: _Turn) -> None:
        """Wait for a turn, to lead or to go on; whoever is interrupted gives way."""
        try:
            turn.take()
        except BaseException:
            with self._mutex:
                self._give_up(turn)
            raise

    def _give_up(self, turn: _Turn) -> None:
        self._waiting = deque(each for each in self._waiting if each.turn is not turn)
        self._between = deque(each for each in self._between if each is not turn)
        if turn.leads:
            self._pass_on()


class _Turn:
    """What a thread waits for: to lead or to work between rounds, or its result."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.leads = False

    def give(self, *, leads: bool) -> None:
        """Let the thread go on."""
        self.leads = leads
        self._lock.release()

    def take(self) -> None:
        """Wait until it is given."""
        self._lock.acquire()


@dataclass(frozen=True, slots=True)
class _Outcome(Generic[R]):
    """What came of a job: a result, or an error."""

    result: R | None = None
    error: Exception | None = None


@dataclass(slots=True, eq=False)
class _Ticket(Generic[J, R]):
    """A job that waits."""

    job: J
    member: object
    weight: int
    turn: _Turn = field(default_factory=_Turn)
    done: _Outcome[R] | None = None

    def outcome(self) -> R:
        assert self.done is not None
        if self.done.error is not None:
            raise self.done.error
        return self.done.result  # type: ignore[return-value]  # None where R is

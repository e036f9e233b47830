"""Bounded queues of work: so many jobs run in threads, so many wait, and the next is refused."""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from persona_engine.observing import Observer
from persona_engine.server.settings import ServerSettings

Result = TypeVar("Result")

_SMOOTHING = 0.2  # weight of the newest job in the mean time of one
_LONGEST_WAIT = 60  # seconds that a client is asked to wait at most


class BusyError(Exception):
    """As many jobs wait as may.

    Args:
        retry_after: Seconds after which there is probably room again.
    """

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"the server is busy, try again in {retry_after} s")


class Lane:
    """Threads that work off one kind of jobs.

    Args:
        name: Of the threads.
        running: Jobs that run at the same time.
        waiting: Jobs that may wait besides.
        observer: Hears how long each job waited, and of what was refused.
    """

    def __init__(self, name: str, *, running: int, waiting: int, observer: Observer) -> None:
        self.name = name
        self.limit = running + waiting
        self._running = running
        self._observer = observer
        self._threads = ThreadPoolExecutor(running, thread_name_prefix=f"persona-{name}")
        self._guard = threading.Lock()
        self._taken = 0
        self._mean = 1.0

    @property
    def taken(self) -> int:
        """Jobs that run or wait now."""
        return self._taken

    @property
    def waiting(self) -> int:
        """Jobs that wait now."""
        return max(0, self._taken - self._running)

    def submit(self, jobs: Sequence[Callable[[], Result]]) -> list[Future[Result]]:
        """Have jobs done, all or none of them; each as soon as a thread is free.

        Raises:
            BusyError: There is no room for all of them.
        """
        with self._guard:
            if self._taken + len(jobs) > self.limit:
                self._observer.count("refused", len(jobs), lane=self.name)
                raise BusyError(self._retry_after())
            self._taken += len(jobs)
        return [self._started(job) for job in jobs]

    async def run(self, job: Callable[[], Result]) -> Result:
        """Have one job done and return what it returns.

        A request that ends while its job waits takes it back; a job that runs is done to its end.

        Raises:
            BusyError: There is no room for it.
        """
        (future,) = self.submit([job])
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Wait for the jobs that run, and take no more."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _started(self, job: Callable[[], Result]) -> Future[Result]:
        asked = time.monotonic()

        def timed() -> Result:
            start = time.monotonic()
            self._observer.took("queue", start - asked, lane=self.name)
            try:
                return job()
            finally:
                seconds = time.monotonic() - start
                self._mean += _SMOOTHING * (seconds - self._mean)

        # What traces the request finds its job below it.
        future = self._threads.submit(contextvars.copy_context().run, timed)
        future.add_done_callback(self._gone)
        return future

    def _gone(self, _: Future[Result]) -> None:
        with self._guard:
            self._taken -= 1

    def _retry_after(self) -> int:
        ahead = self._mean * self._taken / self._running
        return max(1, min(_LONGEST_WAIT, math.ceil(ahead)))


class Work:
    """The lanes of one server process.

    Args:
        settings: How much runs and waits.
        observer: Hears of the jobs.

    Attributes:
        chats: Requests for replies.
        calls: All other requests.
    """

    def __init__(self, settings: ServerSettings, observer: Observer) -> None:
        self.chats = Lane(
            "chat", running=settings.chats, waiting=settings.waiting_chats, observer=observer
        )
        self.calls = Lane(
            "call", running=settings.calls, waiting=settings.waiting_calls, observer=observer
        )

    def close(self) -> None:
        """Wait for what runs."""
        self.chats.close()
        self.calls.close()

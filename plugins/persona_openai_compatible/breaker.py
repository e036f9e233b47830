"""Spares a server that does not answer, and those who would wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

from persona_engine.errors import GenerationError

State = Literal["closed", "open", "trying"]


class Breaker:
    """Refuses requests for a while after several have failed one after another (Nygard 2007).

    Closed, it lets everything pass. After ``failures`` in a row it opens: requests are refused at
    once. After ``seconds`` one request is let through; where it succeeds the breaker closes, where
    it fails it stays open as long again.

    Args:
        what: What is called, for errors.
        failures: How many in a row open it.
        seconds: How long it stays open.
        clock: Seconds, only ever growing.

    Examples:
        >>> now = [0.0]
        >>> breaker = Breaker("the server", failures=1, seconds=30.0, clock=lambda: now[0])
        >>> breaker.failed(TimeoutError("no answer"))
        >>> breaker.state
        'open'
        >>> now[0] = 30.0
        >>> breaker.enter()
        >>> breaker.succeeded()
        >>> breaker.state
        'closed'
    """

    def __init__(
        self,
        what: str,
        *,
        failures: int = 5,
        seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._failures = failures
        self._seconds = seconds
        self._clock = clock
        self._guard = threading.Lock()
        self._in_a_row = 0
        self._until: float | None = None
        self._trying = False
        self._last = ""

    @property
    def state(self) -> State:
        """``closed``, ``open``, or ``trying`` while one request is let through."""
        with self._guard:
            if self._until is None:
                return "closed"
            return "trying" if self._trying else "open"

    def enter(self) -> None:
        """Let a request pass; it must end in `succeeded`, `failed` or `given_up`.

        Raises:
            GenerationError: It is open.
        """
        with self._guard:
            if self._until is None:
                return
            left = self._until - self._clock()
            if left > 0.0 or self._trying:
                raise GenerationError(
                    f"{self._what} failed {self._in_a_row} times in a row, the last time with "
                    f"{self._last}; it is left alone for {max(left, 0.0):.0f} s more",
                    remedy="start the server again, or correct the address",
                )
            self._trying = True

    def answered(self) -> None:
        """Close while an answer goes on; until `succeeded`, one more failure opens it again."""
        with self._guard:
            self._until, self._trying = None, False

    def succeeded(self) -> None:
        """Close: the server answered to the end."""
        with self._guard:
            self._in_a_row, self._until, self._trying = 0, None, False

    def failed(self, error: BaseException) -> None:
        """Count a request that the server did not answer, or answered with a fault of its own."""
        with self._guard:
            self._in_a_row += 1
            self._last = type(error).__name__
            if self._in_a_row >= self._failures or self._trying:
                self._until = self._clock() + self._seconds
            self._trying = False

    def given_up(self) -> None:
        """Forget a request that ended before the server could answer."""
        with self._guard:
            self._trying = False

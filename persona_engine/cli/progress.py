"""Progress of long work on stderr: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from persona_engine.cli.output import printable, stderr

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

ProgressCallback = Callable[[str, int, int], None]

_SECONDS_BETWEEN_LINES = 5.0
_FEWEST_BYTES = 5_000_000


@contextmanager
def console_progress() -> Iterator[ProgressCallback]:
    """Give a ``progress(what, done, total)`` that shows itself on stderr.

    Any thread may call it. The bar appears with the first call and vanishes when its work is done,
    so that nothing is drawn while results are printed.
    """
    console = stderr()
    display = _Bars(console) if console.is_terminal else _Lines(console)
    try:
        yield display.report
    finally:
        display.close()


def amount(done: int, total: int) -> str:
    """Return how far work has come, in words; totals in the millions are bytes.

    Examples:
        >>> amount(3, 12), amount(34_200_000, 92_900_000)
        ('3 of 12', '34 of 93 MB')
    """
    if total >= _FEWEST_BYTES:
        return f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
    return f"{done:,} of {total:,}"


class _Lines:
    """One line when work begins, one every few seconds, one when it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._guard = threading.Lock()
        self._last: dict[str, float] = {}

    def report(self, what: str, done: int, total: int) -> None:
        with self._guard:
            now = time.monotonic()
            finished = total > 0 and done >= total
            due = now - self._last.get(what, float("-inf")) >= _SECONDS_BETWEEN_LINES
            if finished and what not in self._last:
                return  # over before there was anything to wait for
            if due or finished:
                self._console.print(printable(f"{what}: {amount(done, total)}"), soft_wrap=True)
            if finished:
                del self._last[what]
            elif due:
                self._last[what] = now

    def close(self) -> None:
        self._last.clear()


class _Bars:
    """A bar for each kind of work under way."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._guard = threading.Lock()
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def report(self, what: str, done: int, total: int) -> None:
        with self._guard:
            finished = total > 0 and done >= total
            if finished:
                self._end(what)
                return
            bars = self._bars or self._start()
            if what not in self._tasks:
                self._tasks[what] = bars.add_task(printable(what), amount="")
            bars.update(
                self._tasks[what], completed=done, total=total or None, amount=amount(done, total)
            )

    def close(self) -> None:
        with self._guard:
            if self._bars is not None:
                self._bars.stop()
            self._bars, self._tasks = None, {}

    def _start(self) -> Progress:
        from rich.progress import (
            BarColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[amount]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._bars.start()
        return self._bars

    def _end(self, what: str) -> None:
        task = self._tasks.pop(what, None)
        if self._bars is None or task is None:
            return
        self._bars.remove_task(task)
        if not self._tasks:
            self._bars.stop()
            self._bars = None

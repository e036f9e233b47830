"""Progress of work that other people's code does: watch the bytes arrive on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from persona_engine.interfaces import Progress

_SECONDS_BETWEEN = 0.2


@contextmanager
def report_bytes(
    progress: Progress, what: str, total: int, measure: Callable[[], int]
) -> Iterator[None]:
    """Report a growing size from a helper thread while the block runs.

    Args:
        progress: Called with bytes; it must not mind another thread.
        what: The line to show.
        total: Bytes expected.
        measure: Returns the bytes there so far.
    """
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(_SECONDS_BETWEEN):
            progress(what, min(measure(), total), total)

    watcher = threading.Thread(target=watch, daemon=True, name="persona-weights-progress")
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()
    progress(what, total, total)


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder; those that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total

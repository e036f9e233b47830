"""A lock between processes: held on an open file, so it ends with its holder."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from persona_engine.errors import StoreUnavailableError

_PAUSE = 0.01

if sys.platform == "win32":
    import msvcrt

    def _try_lock(stream: IO[bytes]) -> bool:
        """Return whether the lock is ours."""
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(stream: IO[bytes]) -> bool:
        """Return whether the lock is ours."""
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def exclusive(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold the lock of that name, against other threads and other processes.

    Args:
        path: The lock's file; it and its folder are created.
        timeout: Seconds to wait for another holder.

    Raises:
        OSError: The folder cannot be written.
        StoreUnavailableError: Another holder kept the lock for longer than the timeout.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout
    with path.open("ab") as stream:
        while not _try_lock(stream):
            if time.monotonic() > deadline:
                raise StoreUnavailableError(
                    f"another process has held {path} for {timeout:g} s",
                    remedy="try again; stop the process that hangs",
                )
            time.sleep(_PAUSE)
        yield

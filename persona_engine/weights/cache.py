"""The folder that keeps fetched weights: where it is, who may write, how a set appears in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from persona_engine.errors import WeightsError


def cache_folder() -> Path:
    """Return where fetched weights are kept.

    ``PERSONA_WEIGHTS`` when set, else ``persona_engine/weights`` below ``XDG_CACHE_HOME`` or
    ``~/.cache``. The folder need not exist.
    """
    chosen = os.environ.get("PERSONA_WEIGHTS")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "persona_engine" / "weights"


@contextmanager
def locked_staging(cache: Path, name: str) -> Iterator[Path]:
    """Hold the lock on one set of weights and give its staging folder.

    A second process waits here until the first has finished or died. The staging folder outlives
    an interruption, so that the next attempt goes on with what is already there.

    Raises:
        WeightsError: When the cache cannot be written.
    """
    from filelock import FileLock

    staging = cache / ".partial" / name
    try:
        staging.mkdir(parents=True, exist_ok=True)
        lock = FileLock(staging.with_name(f"{name}.lock"))
        lock.acquire()
    except OSError as error:
        raise WeightsError(
            f"the cache {cache} cannot be written ({error})",
            remedy="set PERSONA_WEIGHTS to a folder that you may write, with 600 MB free",
        ) from error
    try:
        yield staging
    finally:
        lock.release()


def publish(built: Path, target: Path) -> None:
    """Let a complete folder appear under its final name, replacing a damaged one."""
    mask = os.umask(0)
    os.umask(mask)
    for path in built.rglob("*"):
        if path.is_file() and path.stat().st_nlink > 1:
            continue  # shared with the hub's cache, whose rights are not ours to set
        path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)
    damaged = built.with_name("damaged")
    shutil.rmtree(damaged, ignore_errors=True)
    if target.exists():
        target.rename(damaged)
    built.rename(target)
    shutil.rmtree(damaged, ignore_errors=True)


def fresh_folder(path: Path) -> Path:
    """Return an empty folder of that name, whatever an interruption left there."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path

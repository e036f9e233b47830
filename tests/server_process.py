"""Real server processes on loopback, started by `persona serve` and ended by SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

_PERSONA = "from persona_engine.cli import main; main()"
_PATIENCE = 300.0


@dataclass(frozen=True)
class Served:
    """A server that runs.

    Args:
        url: Where.
        process: It.
        log: File that its errors go to.
    """

    url: str
    process: subprocess.Popen[str]
    log: Path

    def end(self) -> int:
        """Tell it to stop, wait until it has, and return its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE)


def run(*arguments: str) -> str:
    """Run a command of `persona` and return what it prints."""
    command = [sys.executable, "-c", _PERSONA, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def start(folder: Path, *options: str, env: Mapping[str, str] | None = None) -> Served:
    """Start a server on a database in a folder, and return once it listens."""
    log = folder / "server.log"
    database = f"sqlite:///{folder}/persona.db"
    command = [sys.executable, "-c", _PERSONA, "--database", database, "serve", "--port", "0"]
    settings = {**os.environ, "PERSONA_DATA_FOLDER": str(folder / "data"), **(env or {})}
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=errors, text=True, env=settings
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    if found is None:
        process.kill()
        process.wait()
        process.stdout.close()
        raise AssertionError(f"the server did not start: {line!r} {log.read_text()}")
    return Served(found[0], process, log)


def is_ready(url: str) -> bool:
    """Ask once; no client is made, which would cost more than the server's start may."""
    try:
        with urlopen(f"{url}/ready", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:  # not listening yet, or 503
        return False


def until_ready(served: Served) -> float:
    """Wait until a server has its model, and return how many seconds that took."""
    begun = time.monotonic()
    while time.monotonic() < begun + _PATIENCE:
        assert served.process.poll() is None, served.log.read_text()
        if is_ready(served.url):
            return time.monotonic() - begun
        time.sleep(0.1)
    raise AssertionError(f"the server was not ready in time: {served.log.read_text()}")


@contextmanager
def serving(folder: Path, *options: str, env: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Have a server that is ready while the block runs."""
    served = start(folder, *options, env=env)
    try:
        until_ready(served)
        yield served
    finally:
        if served.process.poll() is None:
            try:
                served.end()
            finally:
                served.process.kill()
        served.process.wait()
        if served.process.stdout is not None:
            served.process.stdout.close()

"""A server killed by SIGKILL under load, again and again: no acknowledged feedback is lost.

Between two kills the server starts on what the last one left, everything that was acknowledged is
looked for, and the load goes on. What a start takes beyond loading the model is told against a
process that opens the same engine on an empty database and loads the same model.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from report import Figure, say
from server_load import TEXTS

from tests.server_process import Served, run, start, until_ready

KILLS, CLIENTS, LONGEST = 50, 4, 1.5
LOADED_EVERY = 5
_LOADING = (
    "from persona_engine import PersonaEngine\n"
    "with PersonaEngine('sqlite:///{place}/empty.db') as engine: engine.warm_up()"
)


@dataclass
class Ledger:
    """What the server acknowledged: ids of comparisons by user, and what it failed at."""

    kept: dict[str, list[str]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures."""
    kills = 2 if quick else KILLS
    with tempfile.TemporaryDirectory(prefix="persona-kills-") as name:
        place = Path(name)
        database = f"sqlite:///{place}/persona.db"
        key = run("--database", database, "keys", "create", "bench", "--scope", "admin").strip()
        loadings = []
        rng = np.random.default_rng(seed)
        ledger, starts = Ledger(), []
        for number in range(kills):
            if number % LOADED_EVERY == 0:  # on a machine as busy as it is now
                loadings.append(_loading(place))
            starts.append(_round(place, key, ledger, rng))
            say(f"  kill {number + 1} of {kills}: {starts[-1]:.1f} s to start")
        lost = _ended(place, key, ledger)
    loading = float(np.median(loadings))
    acknowledged = sum(map(len, ledger.kept.values()))
    for each in ledger.refused[:5]:
        say(f"  {each}")
    return {
        "kills": Figure(kills, "times SIGKILL under load"),
        "kills_acknowledged": Figure(acknowledged, "comparisons", 1, sense="at least"),
        "kills_lost": Figure(lost, "of these lost", 0, sense="exactly"),
        "kills_refused": Figure(len(ledger.refused), "requests refused while it ran"),
        "kills_start_s": Figure(
            float(np.median(starts)) - loading,
            "s beyond loading the model, median",
            5.0,
            baseline=f"{loading:.1f} s to open an engine and load the model",
        ),
        "kills_slowest_start_s": Figure(
            max(starts) - max(loadings), "s beyond the slowest loading of the model"
        ),
    }


def _loading(place: Path) -> float:
    started = time.monotonic()
    script = _LOADING.format(place=place)
    env = {**os.environ, "PERSONA_DATA_FOLDER": str(place / "empty")}
    subprocess.run([sys.executable, "-c", script], check=True, env=env)
    return time.monotonic() - started


def _round(place: Path, key: str, ledger: Ledger, rng: np.random.Generator) -> float:
    """Start, load, and kill a server; return what its start took."""
    started = time.monotonic()
    server = start(place)
    try:
        until_ready(server)
        took = time.monotonic() - started
        stop, speaker = threading.Event(), _Speaker(server, key, ledger)
        clients = [
            threading.Thread(target=speaker.speak, args=(f"user{number}", each, stop))
            for number, each in enumerate(rng.spawn(CLIENTS))
        ]
        for each in clients:
            each.start()
        time.sleep(float(rng.random()) * LONGEST)
        server.process.send_signal(signal.SIGKILL)
        stop.set()
        for each in clients:
            each.join()
    finally:
        server.process.kill()
        server.process.wait()
    return took


@dataclass(frozen=True)
class _Speaker:
    """Compares texts until the server is gone, and notes what it acknowledged."""

    server: Served
    key: str
    ledger: Ledger

    def speak(self, user: str, rng: np.random.Generator, stop: threading.Event) -> None:
        """Do so as one user."""
        kept = self.ledger.kept.setdefault(user, [])
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.server.url, headers=headers, timeout=60) as client:
            while not stop.is_set():
                a, b = (str(each) for each in rng.choice(TEXTS, 2, replace=False))
                asked = {"prompt": "How do I get there?", "chosen": a, "rejected": b}
                try:
                    answer = client.post(f"/api/v1/users/{user}/comparisons", json=asked)
                except httpx.TransportError:
                    return  # it was killed before it had answered
                if answer.status_code == 201:
                    kept.append(answer.json()["id"])
                else:
                    self.ledger.refused.append(f"{answer.status_code} {answer.text[:200]}")


def _ended(place: Path, key: str, ledger: Ledger) -> int:
    """Return how many acknowledged comparisons a last server does not know."""
    server = start(place)
    try:
        until_ready(server)
        lost = 0
        with httpx.Client(
            base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=60
        ) as client:
            for user, kept in ledger.kept.items():
                there: set[str] = set()
                while page := _page(client, user, len(there)):
                    there.update(page)
                lost += len(set(kept) - there)
        return lost
    finally:
        server.end()


def _page(client: httpx.Client, user: str, skip: int) -> list[str]:
    path = f"/api/v1/users/{user}/comparisons"
    answer = client.get(path, params={"count": 1_000, "skip": skip})
    if answer.status_code == 404:
        return []
    return [each["id"] for each in answer.json()]

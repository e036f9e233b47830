"""Load for a server: people who say what they like and look at it, without generating."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from tests.server_process import Served, run, serving

SHARES = {
    "profile": 0.25,
    "instructions": 0.2,
    "compare": 0.2,
    "answer": 0.1,
    "question": 0.1,
    "instruct": 0.05,
    "personalize": 0.05,
    "steer": 0.05,
}
TEXTS = tuple(
    f"{how}, {what}."
    for how in ("In short", "To begin with", "Well", "As far as I know")
    for what in ("it is so", "take the train", "nobody can say", "ask again tomorrow")
)
QUESTIONS = tuple(f"length-{number:02d}" for number in range(1, 9))
WISHES = ("Be brief.", "Use metric units.", "Answer in British English.", "No emoji.")


@dataclass
class Tally:
    """What came of requests.

    Args:
        seconds: That each took, by kind.
        errors: What was not answered as it should be.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def all_seconds(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """What every request took."""
        return np.concatenate([np.array(each) for each in self.seconds.values()])


@contextmanager
def served(folder: Path) -> Iterator[tuple[Served, str]]:
    """Have a real server with the real model, and a key for everything."""
    database = f"sqlite:///{folder}/persona.db"
    key = run("--database", database, "keys", "create", "bench", "--scope", "admin").strip()
    free = {"PERSONA_SERVER_REQUESTS_PER_MINUTE": "1000000"}
    with serving(folder, env=free) as server:
        yield server, key


class Person:
    """One user who does this and that.

    Args:
        client: Calls the server.
        name: The user.
        rng: Decides what they do.
        tally: Is told.
    """

    def __init__(
        self, client: httpx.AsyncClient, name: str, rng: np.random.Generator, tally: Tally
    ) -> None:
        self._client = client
        self._path = f"/api/v1/users/{name}"
        self._rng = rng
        self._tally = tally

    async def arrive(self) -> None:
        """Be known, so that everything can be asked about."""
        await self._client.put(f"{self._path}/steering", json={"strengths": {"warm": 1}})

    async def act(self) -> None:
        """Do one thing."""
        kinds = list(SHARES)
        kind = kinds[int(self._rng.choice(len(kinds), p=list(SHARES.values())))]
        method, path, body = self._request(kind)
        started = time.perf_counter()
        try:
            answer = await self._client.request(method, f"{self._path}{path}", json=body)
        except httpx.HTTPError as error:
            self._tally.errors.append(f"{kind}: {error!r}")
            return
        self._tally.seconds.setdefault(kind, []).append(time.perf_counter() - started)
        if answer.status_code >= 400:
            self._tally.errors.append(f"{kind}: {answer.status_code} {answer.text[:200]}")

    def _request(self, kind: str) -> tuple[str, str, dict[str, Any] | None]:
        turn = {"role": "user", "content": self._any(TEXTS)}
        a, b = self._rng.choice(TEXTS, 2, replace=False)
        return {
            "profile": ("GET", "", None),
            "instructions": ("GET", "/instructions", None),
            "compare": (
                "POST",
                "/comparisons",
                {"prompt": "How do I get there?", "chosen": str(a), "rejected": str(b)},
            ),
            "answer": ("POST", "/answers", {"question": self._any(QUESTIONS), "choice": "a"}),
            "question": ("GET", "/question", None),
            "instruct": ("POST", "/instructions", {"text": self._any(WISHES)}),
            "personalize": ("POST", "/personalize", {"messages": [turn]}),
            "steer": ("PUT", "/steering", {"strengths": {"concise": 1}}),
        }[kind]

    def _any(self, texts: tuple[str, ...]) -> str:
        return str(self._rng.choice(texts))


async def people(client: httpx.AsyncClient, count: int, tally: Tally, *, seed: int) -> list[Person]:
    """Return people whom the server knows."""
    seeds = np.random.SeedSequence(seed).spawn(count)
    made = [
        Person(client, f"person{number}", np.random.default_rng(each), tally)
        for number, each in enumerate(seeds)
    ]
    for start in range(0, count, 16):
        await asyncio.gather(*(each.arrive() for each in made[start : start + 16]))
    return made

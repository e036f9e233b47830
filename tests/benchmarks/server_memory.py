"""Ten thousand requests to one process, and what its memory grows by after it is warm.

The same fifty people go on doing the same kinds of things, and one request in a hundred generates a
few tokens, so that nothing but a leak makes it grow.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import httpx
import numpy as np
from report import Figure, say
from server_load import Tally, people, served

USERS, WARM_UP, REQUESTS, AT_ONCE = 50, 3_000, 10_000, 8
CHAT_EVERY = 100


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures."""
    warm_up, requests = (50, 100) if quick else (WARM_UP, REQUESTS)
    with (
        tempfile.TemporaryDirectory(prefix="persona-memory-") as place,
        served(Path(place)) as (server, key),
    ):
        pid = server.process.pid
        warm, end, tally = asyncio.run(
            _run(server.url, key, pid, warm_up=warm_up, requests=requests, seed=seed)
        )
    for each in tally.errors[:5]:
        say(f"  {each}")
    return {
        "memory_growth_percent": Figure(
            100.0 * (end - warm) / warm,
            "% of resident memory",
            None if quick else 5.0,
            baseline=f"{warm / 2**20:.0f} MiB after {warm_up} requests",
        ),
        "memory_requests": Figure(requests, "requests"),
        "memory_errors": Figure(len(tally.errors), "errors", 0, sense="exactly"),
    }


async def _run(
    url: str, key: str, pid: int, *, warm_up: int, requests: int, seed: int
) -> tuple[int, int, Tally]:
    tally = Tally()
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120) as client:
        known = await people(client, USERS, tally, seed=seed)
        rng = np.random.default_rng(seed)

        async def some(count: int) -> None:
            for number in range(count):
                await known[int(rng.integers(USERS))].act()
                if number % CHAT_EVERY == 0:
                    await _chat(client, tally)

        await asyncio.gather(*(some(warm_up // AT_ONCE) for _ in range(AT_ONCE)))
        warm = resident(pid)
        await asyncio.gather(*(some(requests // AT_ONCE) for _ in range(AT_ONCE)))
        return warm, resident(pid), tally


async def _chat(client: httpx.AsyncClient, tally: Tally) -> None:
    turn = {"role": "user", "content": "Name a fruit."}
    asked = {"model": "smollm2-135m-instruct", "messages": [turn], "max_tokens": 4}
    answer = await client.post("/v1/chat/completions", json=asked)
    if answer.status_code != 200:
        tally.errors.append(f"chat: {answer.status_code} {answer.text[:200]}")


def resident(pid: int) -> int:
    """Return a process's resident memory, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the system does not tell resident memory")

"""Two hundred people at once for a minute: mixed requests that generate nothing, and no error.

Each person waits for an answer, thinks for up to two seconds, and goes on.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
from report import Figure, say
from server_load import Tally, people, served

USERS, SECONDS, PAUSE = 200, 60.0, 2.0


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures."""
    users, seconds = (10, 3.0) if quick else (USERS, SECONDS)
    with (
        tempfile.TemporaryDirectory(prefix="persona-soak-") as place,
        served(Path(place)) as (server, key),
    ):
        tally = asyncio.run(_soak(server.url, key, users=users, seconds=seconds, seed=seed))
    for each in tally.errors[:5]:
        say(f"  {each}")
    took = tally.all_seconds * 1e3
    figures = {
        "soak_errors": Figure(len(tally.errors), "errors", 0, sense="exactly"),
        "soak_users": Figure(users, f"users for {seconds:g} s"),
        "soak_requests_per_second": Figure(len(took) / seconds, "requests/s"),
    }
    for share in (50, 95, 99):
        value = float(np.percentile(took, share))
        figures[f"soak_p{share}_ms"] = Figure(value, "ms a request")
    return figures


async def _soak(url: str, key: str, *, users: int, seconds: float, seed: int) -> Tally:
    tally = Tally()
    limits = httpx.Limits(max_connections=users, max_keepalive_connections=users)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        base_url=url, headers=headers, limits=limits, timeout=60
    ) as client:
        known = await people(client, users, tally, seed=seed)
        end = time.monotonic() + seconds
        rng = np.random.default_rng(seed)

        async def live(number: int, pauses: np.random.Generator) -> None:
            await asyncio.sleep(float(pauses.random()) * PAUSE)
            while time.monotonic() < end:
                await known[number].act()
                await asyncio.sleep(float(pauses.random()) * PAUSE)

        await asyncio.gather(*(live(n, each) for n, each in enumerate(rng.spawn(users))))
    return tally

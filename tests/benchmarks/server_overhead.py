"""What a request costs beyond the same call of the SDK: one client, one server, one engine.

Server and client are threads of one process over one engine, so that both ways meet the same
weights and caches. They take turns, who is first in turns as well, each on conversations that
nobody asked before, since a prompt that was read once costs less. The client is `http.client`,
whose own work counts as the request's.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from report import Figure

from persona_engine import EngineConfig, PersonaEngine
from persona_engine.server import ServerSettings, create_app
from tests.server_thread import listening

TOKENS, CANDIDATES = 4, 1
ASKED = "Tell me something about the number {number}."
HABIT = "Use short words."


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures."""
    pairs = 5 if quick else 60
    with tempfile.TemporaryDirectory(prefix="persona-overhead-") as place:
        config = EngineConfig(
            database=f"sqlite:///{place}/persona.db",
            data_folder=Path(place) / "data",
            batch_rows=128,
        )
        with PersonaEngine(config=config) as engine:
            key = engine.store.api_keys.create("default", label="bench", scopes=["chat"])
            limits = ServerSettings(requests_per_minute=None)
            with listening(create_app(engine, limits)) as url:
                took = _both_ways(engine, url, key.secret, pairs=pairs, seed=seed)
    by_sdk, by_request = (np.array(each) * 1e3 for each in zip(*took, strict=True))
    return {
        "overhead_ms": Figure(
            float(np.median(by_request) - np.median(by_sdk)),
            "ms a request, of medians",
            8.0,
            baseline=f"the SDK's call, {np.median(by_sdk):.1f} ms",
        ),
        "overhead_paired_ms": Figure(
            float(np.median(by_request - by_sdk)), "ms a request, median of pairs"
        ),
    }


def _both_ways(
    engine: PersonaEngine, url: str, key: str, *, pairs: int, seed: int
) -> list[tuple[float, float]]:
    engine.warm_up()
    for user in ("sdk", "request"):
        engine.user(user).instruct(HABIT)
    connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def by_sdk(turn: dict[str, str]) -> None:
        engine.user("sdk").chat([turn], seed=seed, max_tokens=TOKENS, candidates=CANDIDATES)

    def by_request(turn: dict[str, str]) -> None:
        _ask(connection, key, turn, seed)

    took = []
    for number in range(-3, pairs):  # the first three warm up
        ways = [(0, by_sdk), (1, by_request)]
        pair = [0.0, 0.0]
        for way, call in ways if number % 2 else reversed(ways):
            asked = ASKED.format(number=1_000 + 2 * number + way)
            started = time.perf_counter()
            call({"role": "user", "content": asked})
            pair[way] = time.perf_counter() - started
        took.append((pair[0], pair[1]))
    connection.close()
    return took[3:]


def _ask(connection: http.client.HTTPConnection, key: str, turn: dict[str, str], seed: int) -> None:
    asked = {
        "model": "smollm2-135m-instruct",
        "messages": [turn],
        "user": "request",
        "seed": seed,
        "max_tokens": TOKENS,
        "persona": {"candidates": CANDIDATES},
    }
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(asked), headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    assert answer.status == 200, body
    assert body["usage"]["completion_tokens"] > 0

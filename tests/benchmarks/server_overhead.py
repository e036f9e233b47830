"""What a request costs beyond the same call of the SDK: one client, one server, one engine.

Server and client are threads of one process over one engine, so that both ways meet the same
weights and caches; they take turns, on equal conversations and seeds, and the difference is taken
pair by pair. The client is `http.client`, whose own work counts as the request's.
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

TOKENS, CANDIDATES = 8, 2
ASKED = "Tell me something about the number {number}."
HABIT = "Use short words."


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures."""
    pairs = 5 if quick else 100
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
            float(np.median(by_request - by_sdk)),
            "ms a request, median",
            8.0,
            baseline=f"the SDK's call, {np.median(by_sdk):.1f} ms",
        ),
        "overhead_p95_ms": Figure(
            float(np.percentile(by_request - by_sdk, 95)), "ms a request, 95th percentile"
        ),
    }


def _both_ways(
    engine: PersonaEngine, url: str, key: str, *, pairs: int, seed: int
) -> list[tuple[float, float]]:
    engine.warm_up()
    for user in ("sdk", "request"):
        engine.user(user).instruct(HABIT)
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    took = []
    for number in range(-3, pairs):  # the first three warm up
        turn = {"role": "user", "content": ASKED.format(number=number)}
        started = time.perf_counter()
        engine.user("sdk").chat([turn], seed=seed, max_tokens=TOKENS, candidates=CANDIDATES)
        between = time.perf_counter()
        _ask(connection, key, turn, seed)
        took.append((between - started, time.perf_counter() - between))
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

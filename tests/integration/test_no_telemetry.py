"""Without settings nothing leaves the process: no socket is connected, no name looked up."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import sys

opened = []
NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")


def hear(event, arguments):
    if event in NETWORK:
        opened.append((event, str(arguments[1:])))


sys.addaudithook(hear)

from pathlib import Path

from fastapi.testclient import TestClient

from persona_engine.server import ServerSettings, create_app
from tests.bigram_host import fitted, opened as open_host

folder, template = map(Path, sys.argv[1:])
fitted(folder, template)
with open_host(folder) as engine:
    engine.user("u1").compare("Where to?", "we go home", "think think")
    engine.user("u1").chat([{"role": "user", "content": "Where to?"}])
    app = create_app(engine, ServerSettings(insecure_loopback=True))
    client = TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 50_000))
    with client:
        (model, *_) = client.get("/v1/models").json()["data"]
        ask = {"model": model["id"], "user": "u1"}
        ask["messages"] = [{"role": "user", "content": "Where to?"}]
        answer = client.post("/v1/chat/completions", json=ask)
        assert answer.status_code == 200, answer.text
        assert client.get("/metrics").status_code == 404
print(opened)
EXPORTS = ("opentelemetry.sdk", "opentelemetry.exporter", "prometheus_client")
print(sorted(each for each in sys.modules if each.startswith(EXPORTS)))
"""


def test_nothing_is_told_to_anybody(tmp_path, sqlite_template):
    environment = {name: each for name, each in os.environ.items() if "OTEL_" not in name}
    place = tmp_path / "host"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(place), str(sqlite_template)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sockets, loaded = done.stdout.splitlines()[-2:]
    assert sockets == "[]"
    assert loaded == "[]"

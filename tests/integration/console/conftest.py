"""A console with twenty people of two tastes, and a real browser that looks at it."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from safetensors.numpy import save_file

from persona_engine import PersonaEngine
from persona_engine.adapters.registry import Origin
from persona_engine.server import ServerSettings, create_app
from persona_engine.types import TrainedAdapter
from tests.integration.conftest import opened_in

PATIENCE = 60.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = {"wide": 1280, "phone": 360}


@pytest.fixture(scope="session")
def console_folder(tmp_path_factory, kitchen_database):
    """A folder with the kitchen's people, in clusters that have adapters, and a report."""
    folder = tmp_path_factory.mktemp("console")
    shutil.copy(kitchen_database, folder / "persona.db")
    with opened_in(folder, adapters_folder=folder / "adapters") as engine:
        clusters = engine.cluster().clusters
        someone = engine.user("user-01")
        someone.instruct("Answer in British English.")
        next(someone.onboard())  # has the bank encoded, which tastes are told in
        _add_adapters(engine, clusters[0].name, folder / "trained")
    rows = [_row(name, shots) for name in ("bradley_terry", "hierarchical") for shots in (0, 4)]
    (folder / "results.json").write_text(json.dumps({"results": rows, "protocol": {}}))
    return folder


def _add_adapters(engine: PersonaEngine, cluster: str, folder: Path) -> None:
    registry = engine.adapters()
    for number in (1, 2):
        trained = folder / str(number)
        trained.mkdir(parents=True)
        config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": "x"}
        (trained / "adapter_config.json").write_text(json.dumps(config))
        weights = {"a.lora_A.weight": np.full((2, 3), number, np.float32)}
        save_file(weights, trained / "adapter_model.safetensors")
        figures = {"gain": {"value": 0.1 * number, "error": 0.02}, "kl": 0.03}
        origin = Origin(cluster, "b1", "dpo", users=("user-01",), metrics=figures)
        row = registry.add(TrainedAdapter(trained, {}, {}), origin)
        registry.publish(row.version)


def _row(method: str, shots: int) -> dict[str, Any]:
    told = {"accuracy": 0.6 + 0.02 * shots, "accuracy_se": 0.01, "nll": 0.6, "ece": 0.02}
    rest = {"worst_decile": 0.5, "worst_group": None, "adapt_ms": 1.25, "users": 20.0}
    about = {"dataset": "kitchen", "method": method, "shots": shots, "status": "ok", "error": None}
    return {**about, **told, **rest}


@pytest.fixture
def settings() -> dict[str, Any]:
    """Further settings of the server; for tests to replace."""
    return {}


@pytest.fixture
def served(console_folder, tmp_path, settings) -> Iterator[Served]:
    """The console of a copy of that folder."""
    folder = tmp_path / "served"
    shutil.copytree(console_folder, folder)
    report = folder / "results.json"
    with (
        opened_in(folder, adapters_folder=folder / "adapters") as engine,
        serving(engine, ServerSettings(preload=False, evaluation=report, **settings)) as served,
    ):
        yield served


class Served:
    """A server that runs in this process.

    Args:
        url: Where.
        engine: What it serves.
        key: An admin's, of the tenant "default".
    """

    def __init__(self, url: str, engine: PersonaEngine) -> None:
        self.url = url
        self.engine = engine
        keys = engine.store.api_keys
        self.key = keys.create("default", label="tests", scopes=["admin"]).secret


@contextmanager
def serving(engine: PersonaEngine, settings: ServerSettings) -> Iterator[Served]:
    """Serve an engine on a free port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(engine, settings), log_level="error", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", engine)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def wait_until(holds) -> None:
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() < begun + PATIENCE
        time.sleep(0.01)


@pytest.fixture(scope="module")
def chromium():
    """A real browser without a window."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    sync_api.expect.set_options(timeout=1000 * PATIENCE)
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_api.sync_playwright() as playwright:
        if path is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("there is no Chromium: install one, or run `playwright install chromium`")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watch:
    """Notes what a page must not do: fail, or ask anybody else for anything."""

    def __init__(self, page: Any, url: str) -> None:
        self.faults: list[str] = []
        page.set_default_timeout(1000 * PATIENCE)
        page.on("pageerror", lambda error: self.faults.append(f"raised {error}"))
        page.on("console", self._said)
        page.on("request", lambda request: self._asked(request.url, url))

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text}")

    def _asked(self, address: str, url: str) -> None:
        if not address.startswith((f"{url}/", "blob:")):
            self.faults.append(f"asked {address}")

    def forget(self, pattern: str) -> None:
        """Take back faults that a test brings about on purpose."""
        self.faults = [each for each in self.faults if not re.search(pattern, each)]


@pytest.fixture
def browse(chromium, served):
    """Open pages, signed in; at the end nothing may have gone wrong in any of them."""
    contexts, watches = [], []

    def browse(width="wide", scheme="light", *, signed_in=True, watched=True, **settings):
        size = {"width": WIDTHS.get(width, width), "height": 800}
        context = chromium.new_context(
            viewport=size, color_scheme=scheme, base_url=served.url, **settings
        )
        contexts.append(context)
        page = context.new_page()
        page.watch = Watch(page, served.url)
        if watched:
            watches.append(page.watch)
        if signed_in:
            sign_in(page, served.key)
        return page

    yield browse
    for context in contexts:
        context.close()
    assert [fault for watch in watches for fault in watch.faults] == []


def sign_in(page: Any, key: str) -> None:
    page.goto("/console/login")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console/users")


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory) -> Path:
    """The folder of pictures: that of PERSONA_SCREENSHOTS, or one of this run."""
    named = os.environ.get("PERSONA_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def picture(screenshots):
    """Take a picture of a whole page."""

    def picture(page: Any, name: str) -> None:
        page.screenshot(path=screenshots / f"{name}.png", full_page=True)

    return picture

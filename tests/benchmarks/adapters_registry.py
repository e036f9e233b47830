"""Two hundred adapters in the registry, eight in memory: what listing, routing and serving cost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from decoding_models import generator
from report import Figure, arguments, finish, say

from persona_engine.adapters.manifest import CONFIG, WEIGHTS
from persona_engine.adapters.registry import AdapterRegistry, Origin
from persona_engine.adapters.routing import Route, Router
from persona_engine.adapters.serving import AdapterServer
from persona_engine.store import Store, upgrade
from persona_engine.types import TrainedAdapter

ADAPTERS, QUICK_ADAPTERS = 200, 6
IN_MEMORY = 8
RANK, TARGETS = 8, ("q_proj", "v_proj")
BASE = "measured"
MOST_LOAD_MS = 50.0
ROUTES = 2_000


def measure(data: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return what the registry costs.

    Args:
        data: Not read.
        quick: Few adapters: a smoke run.
        seed: Of the adapters' matrices.
    """
    count = QUICK_ADAPTERS if quick else ADAPTERS
    with TemporaryDirectory() as name, _registry(Path(name)) as (store, registry):
        versions = _fill(registry, Path(name) / "trained", count, seed=seed)
        say(f"  {count} adapters are registered")
        size = (registry.open(versions[0], base=BASE) / WEIGHTS).stat().st_size
        return {
            "registered": Figure(len(registry.versions()), "versions"),
            "list_ms": Figure(_best_ms(registry.versions, 5), f"ms for {count} versions"),
            "route_without_adapters_us": Figure(1e3 * _route_ms(store), "µs for each reply"),
            **_served(registry, versions, size, quick=quick),
        }


@contextmanager
def _registry(root: Path) -> Iterator[tuple[Store, AdapterRegistry]]:
    url = f"sqlite:///{root}/persona.db"
    upgrade(url)
    with Store(url) as store:
        yield store, AdapterRegistry(store.tenant("acme"), root / "registry")


def _fill(registry: AdapterRegistry, folder: Path, count: int, *, seed: int) -> list[str]:
    from safetensors.numpy import save_file

    folder.mkdir()
    (folder / CONFIG).write_text(json.dumps({"peft_type": "LORA", "r": RANK, "lora_alpha": RANK}))
    rng = np.random.default_rng(seed)
    versions = []
    for number in range(count):
        save_file(_random_tensors(rng), folder / WEIGHTS)
        origin = Origin(f"group-{number}", BASE, "random", metrics={"win_rate": 0.7})
        versions.append(registry.add(TrainedAdapter(folder, {}, {}), origin).version)
    return versions


def _random_tensors(rng: np.random.Generator) -> dict[str, Any]:
    network: Any = generator()
    tensors = {}
    for path, layer in network._model.load().network.named_modules():
        if path.endswith(TARGETS):
            for part, shape in (
                ("A", (RANK, layer.in_features)),
                ("B", (layer.out_features, RANK)),
            ):
                values = 1e-3 * rng.standard_normal(shape, np.float32)
                tensors[f"base_model.model.{path}.lora_{part}.weight"] = values
    return tensors


def _served(
    registry: AdapterRegistry, versions: list[str], size: int, *, quick: bool
) -> dict[str, Figure]:
    """Serve every adapter in turn: each is verified and loaded, the oldest makes room."""
    server = AdapterServer(
        lambda _, version: registry.open(version, base=BASE), limit=IN_MEMORY * size
    )
    took, held = [], 0
    for version in versions:
        before = time.perf_counter()
        with server.serving(Route(version, "c", 1.0, "sure"), "acme", generator()) as served:
            took.append(1e3 * (time.perf_counter() - before))
            assert served.adapter == version, served.reason
        held = max(held, len(server.loaded))
    what = f"ms to verify and load {size / 1e6:.1f} MB"
    return {
        "load_ms": Figure(median(took), what, None if quick else MOST_LOAD_MS),
        "load_p95_ms": Figure(float(np.quantile(took, 0.95)), what),
        "in_memory": Figure(held, "adapters at most", IN_MEMORY),
    }


def _route_ms(store: Store) -> float:
    router = Router(
        store, clusterer=lambda _: None, base=lambda: BASE, confidence=0.8, refresh_seconds=1.0
    )  # type: ignore[arg-type, return-value]  # no clusterer is asked for
    before = time.perf_counter()
    for _ in range(ROUTES):
        router.route("nobody", lambda: None)
    return 1e3 * (time.perf_counter() - before) / ROUTES


def _best_ms(work: Any, rounds: int) -> float:
    took = []
    for _ in range(rounds):
        before = time.perf_counter()
        work()
        took.append(1e3 * (time.perf_counter() - before))
    return min(took)


if __name__ == "__main__":
    given = arguments(__doc__).parse_args()
    found = measure(Path(), quick=given.quick, seed=given.seed)
    finish(found, seed=given.seed, as_json=given.json)

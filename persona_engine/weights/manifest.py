"""Which bytes a folder of weights holds: its hash, its manifest, and what is wrong with it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from persona_engine.errors import WeightsError
from persona_engine.weights.cache import cache_folder

MANIFEST = "persona_weights.json"
_VERSION = 1
_HASHED = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "chat_template*",
    "vocab.*",
    "merges.txt",
)
"""What decides the features: weights, architecture, tokenizer. Sampling defaults do not."""


def weights_hash(folder: Path) -> str:
    """Return the SHA-256 that names the weights in a folder.

    It covers the names and bytes of the safetensors, configuration and tokenizer files. Computed
    once, then remembered in the folder's manifest, or in the cache where the folder cannot be
    written; a file whose size or time of change differs is read again.

    Args:
        folder: A folder in Hugging Face layout.

    Returns:
        64 hexadecimal digits.

    Raises:
        WeightsError: When the folder has no configuration, tokenizer or safetensors.
    """
    _require_model(folder)
    stamps = _stamps(folder)
    for place in _places(folder):
        seen = _read(place).get("seen", {})
        if seen.get("stamps") == stamps:
            return str(seen["hash"])
    digests = {name: file_sha256(folder / name) for name in stamps}
    result = _combine(digests)
    _remember(folder, {"stamps": stamps, "hash": result})
    return result


def write_manifest(folder: Path, *, name: str, source: str) -> None:
    """Record in a folder about to be published what it holds and where it came from."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths}
    stamps = _stamps(folder)
    _write(
        folder / MANIFEST,
        {
            "version": _VERSION,
            "name": name,
            "source": source,
            "files": digests,
            "seen": {"stamps": stamps, "hash": _combine({each: digests[each] for each in stamps})},
        },
    )


def verify(folder: Path) -> tuple[str, ...]:
    """Return what is wrong with a folder of weights, nothing when it is sound.

    Reads every byte: for ``persona doctor``, not for each start.

    Args:
        folder: A folder in Hugging Face layout; with a manifest, contents are compared to it.
    """
    missing = missing_files(folder)
    if missing:
        return tuple(f"{folder} has no {each}" for each in missing)
    problems = [
        f"{path} {problem}"
        for path in sorted(folder.glob("*.safetensors"))
        if (problem := _tensor_problem(path)) is not None
    ]
    recorded = _read(folder / MANIFEST).get("files", {})
    for name, expected in sorted(recorded.items()):
        path = folder / name
        if not path.is_file():
            problems.append(f"{path} is missing, the manifest lists it")
        elif file_sha256(path) != expected:
            problems.append(f"{path} is not the file that was fetched (SHA-256 differs)")
    return tuple(problems)


def is_intact(folder: Path) -> bool:
    """Whether a published folder still has each recorded file in its recorded size (cheap)."""
    manifest = _read(folder / MANIFEST)
    if not manifest.get("files") or missing_files(folder):
        return False
    sizes = {name: stamp[0] for name, stamp in manifest["seen"]["stamps"].items()}
    return sizes == {name: stamp[0] for name, stamp in _stamps(folder).items()}


def missing_files(folder: Path) -> tuple[str, ...]:
    """Return which kinds of file a folder lacks to be loaded as a model."""
    if not folder.is_dir():
        return ("such folder",)
    tokenizers = ("tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json")
    present = {
        "config.json": (folder / "config.json").is_file(),
        "tokenizer.json": any((folder / each).is_file() for each in tokenizers),
        "model.safetensors": any(folder.glob("*.safetensors")),
    }
    return tuple(name for name, there in present.items() if not there)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_model(folder: Path) -> None:
    missing = missing_files(folder)
    if missing:
        raise WeightsError(
            f"{folder} has no {', no '.join(missing)}",
            remedy="pass a folder with config.json, tokenizer.json and model.safetensors",
        )


def _stamps(folder: Path) -> dict[str, list[int]]:
    paths = {path for pattern in _HASHED for path in folder.glob(pattern) if path.is_file()}
    stats = {path.name: path.stat() for path in sorted(paths)}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}


def _combine(digests: Mapping[str, str]) -> str:
    lines = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()


def _places(folder: Path) -> tuple[Path, Path]:
    key = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32]
    return folder / MANIFEST, cache_folder() / ".hashes" / f"{key}.json"


def _remember(folder: Path, seen: Mapping[str, Any]) -> None:
    for place in _places(folder):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            _write(place, {"version": _VERSION, **_read(place), "seen": seen})
        except OSError:
            continue
        return


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    known = isinstance(content, dict) and content.get("version") == _VERSION
    return content if known else {}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _tensor_problem(path: Path) -> str | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return None if file.keys() else "holds no tensor"
    except (SafetensorError, OSError) as error:
        return f"is damaged ({error})"

"""Default populations as files: written by the build, read as package data."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import ArtefactError
from persona_engine.onboarding.bank import bank_hash, question_bank
from persona_engine.onboarding.bank_features import BankFeatures
from persona_engine.onboarding.default_population import DefaultPopulation
from persona_engine.types import Population

FORMAT = 1
_POPULATION = "population.safetensors"
_BANK = "bank_features.safetensors"
_MANIFEST = "manifest.json"
_BUILD = "python -m persona_engine.onboarding.build"


def shipped_root() -> Path:
    """Return the folder of the package that holds default populations."""
    return Path(__file__).resolve().parent.parent / "data" / "default_population"


def folder_name(reward_model: str, fingerprint: str) -> str:
    """Return the name of a default population's folder: reward model and feature space."""
    return f"{reward_model}-{hashlib.sha256(fingerprint.encode()).hexdigest()[:16]}"


def load_shipped(
    reward_model: str, fingerprint: str, *, root: Path | None = None
) -> DefaultPopulation | None:
    """Return the default population that the package carries for a feature space.

    Args:
        reward_model: Name of the reward model's plugin.
        fingerprint: The encoder's.
        root: Where to look instead of the package.

    Returns:
        None when there is none; `fit_default` makes one.

    Raises:
        ArtefactError: It is there but incomplete, damaged, or made from another question bank.
    """
    folder = (root or shipped_root()) / folder_name(reward_model, fingerprint)
    if not folder.is_dir():
        return None
    manifest = _manifest(folder)
    expected = {
        "format": FORMAT,
        "reward_model": reward_model,
        "fingerprint": fingerprint,
        "bank": bank_hash(),
    }
    for key, value in expected.items():
        if manifest.get(key) != value:
            found = f"{key} is {manifest.get(key)!r}, expected {value!r}"
            raise _damaged(folder / _MANIFEST, found)
    try:
        population = Population(
            reward_model, fingerprint, _arrays(folder, _POPULATION, manifest), manifest["meta"]
        )
        if population.version != manifest["version"]:
            raise _damaged(folder / _MANIFEST, f"its population is version {population.version}")
        bank = _arrays(folder, _BANK, manifest)
        features = BankFeatures(
            low=bank["low"].astype(np.float32), high=bank["high"].astype(np.float32)
        )
        report = manifest["report"]
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder / _MANIFEST, f"{type(error).__name__}: {error}") from error
    if features.low.shape != features.high.shape or len(features.low) != len(question_bank()):
        raise _damaged(folder / _BANK, f"low is {features.low.shape}, high {features.high.shape}")
    return DefaultPopulation(population, features, report)


def write(default: DefaultPopulation, root: Path) -> Path:
    """Write a default population below ``root`` and return its folder, old or new but never half.

    The bank's features are kept as float16 where that can hold them: rounding moves differences of
    features by less than a thousandth, far less than bfloat16 weights do.

    Raises:
        ArtefactError: The folder cannot be written.
    """
    population = default.population
    target = root / folder_name(population.reward_model, population.fingerprint)
    try:
        root.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=root))
        try:
            _write_files(default, staging)
            staging.chmod(0o755)
            _replace(staging, target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise ArtefactError(
            f"{target} cannot be written: {error}", remedy="choose a folder that can be written"
        ) from error
    return target


def _write_files(default: DefaultPopulation, folder: Path) -> None:
    from safetensors.numpy import save

    population, bank = default.population, default.bank
    largest = max(float(np.abs(bank.low).max()), float(np.abs(bank.high).max()))
    kind = np.float16 if largest < float(np.finfo(np.float16).max) else np.float32
    files = {
        _POPULATION: save({name: np.array(value) for name, value in population.arrays.items()}),
        _BANK: save({"low": bank.low.astype(kind), "high": bank.high.astype(kind)}),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {
        "format": FORMAT,
        "reward_model": population.reward_model,
        "fingerprint": population.fingerprint,
        "version": population.version,
        "meta": dict(population.meta),
        "bank": bank_hash(),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        "report": dict(default.report),
        "made_by": {"persona-engine": _code_version(), "numpy": np.__version__},
    }
    text = json.dumps(manifest, indent=2, sort_keys=True, allow_nan=False) + "\n"
    (folder / _MANIFEST).write_text(text, encoding="utf-8")


def _replace(staging: Path, target: Path) -> None:
    """Put one folder in another's place; if that fails, the old one is put back."""
    if not target.exists():
        staging.rename(target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    target.rename(aside / target.name)
    try:
        staging.rename(target)
    except OSError:
        (aside / target.name).rename(target)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _manifest(folder: Path) -> Mapping[str, Any]:
    path = folder / _MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(manifest, dict):
        raise _damaged(path, "it is no JSON object")
    return manifest


def _arrays(folder: Path, name: str, manifest: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = folder / name
    try:
        content = path.read_bytes()
        expected = manifest["files"][name]
        found = hashlib.sha256(content).hexdigest()
        if found != expected:
            raise _damaged(path, f"its sha256 is {found}, expected {expected}")
        return load(content)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, why: str) -> ArtefactError:
    return ArtefactError(
        f"the default population's file {path} cannot be used: {why}",
        remedy=f"install persona-engine again, or make it anew with `{_BUILD}`",
    )


def _code_version() -> str:
    try:
        return metadata.version("persona-engine")
    except metadata.PackageNotFoundError:
        return "not installed"

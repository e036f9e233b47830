"""The task's folder: whose it is, and files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from persona_engine.errors import ArtefactError
from persona_engine.types import TrainingTask

if TYPE_CHECKING:
    from persona_lora.settings import LoraTrainer

ADAPTER, FIGURES, OWNER = "adapter", "figures.json", "task.json"
CHECKPOINT, STATE = "checkpoint.safetensors", "trainer"
REFERENCES, SAMPLES, GRADIENTS = "references.json", "samples.json", "gradients.f16"
_OURS = (OWNER, ADAPTER, FIGURES, CHECKPOINT, STATE, REFERENCES, SAMPLES, GRADIENTS)
_PROBE = ("Yes.", "No, I would rather not say; ask me again tomorrow.")


def claim(task: TrainingTask, method: LoraTrainer) -> bool:
    """Make the folder this task's; return whether an earlier run of the same task left its work.

    What another task left is removed: its checkpoints would end in another adapter.

    Raises:
        ArtefactError: The folder cannot be written.
    """
    mark = {"fingerprint": fingerprint(task, method)}
    try:
        owner = task.folder / OWNER
        if owner.is_file() and _read(owner) == mark:
            return True
        for name in _OURS:
            _remove(task.folder / name)
        task.folder.mkdir(parents=True, exist_ok=True)
        write_whole(owner, json.dumps(mark).encode())
    except OSError as error:
        raise ArtefactError(
            f"{task.folder} cannot be written: {error.strerror or error}",
            remedy="name another folder, or make room on its disk",
        ) from error
    return False


def fingerprint(task: TrainingTask, method: LoraTrainer) -> str:
    """Return a hash of all that decides the adapter: data, base model, settings and seed."""
    digest = hashlib.sha256(json.dumps(_told(task, method), sort_keys=True).encode())
    for path in sorted(task.weights.iterdir()):
        if path.is_file():
            digest.update(f"{path.name}\0".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _told(task: TrainingTask, method: LoraTrainer) -> dict[str, Any]:
    rewards: Sequence[Any] = ()
    if task.reward is not None and task.prompts:  # a function is known by what it says
        rewards = np.round(task.reward(task.prompts[0], _PROBE), 4).tolist()
    return {
        "settings": method.settings,
        "pairs": [asdict(each) for each in task.pairs],
        "rated": [asdict(each) for each in task.rated],
        "prompts": [list(each) for each in task.prompts],
        "contrasts": [list(each) for each in task.contrasts],
        "rewards": rewards,
        "anchors": task.anchors,
        "seed": task.seed,
    }


def remembered(path: Path) -> Any:  # noqa: ANN401  # JSON
    """Return what an earlier run wrote into a JSON file, or None."""
    return _read(path) if path.is_file() else None


def remember(path: Path, value: object) -> None:
    """Write a JSON file that a later run may find."""
    write_whole(path, json.dumps(value).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file aside and put it in place, so that who is killed leaves the one before."""
    aside = path.with_name(f".{path.name}.new")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def publish(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder aside and put it in place."""
    aside = folder.with_name(f".{folder.name}.new")
    _remove(aside)
    aside.mkdir()
    for name, content in files.items():
        write_whole(aside / name, content)
    _remove(folder)
    aside.replace(folder)


def _read(path: Path) -> Any:  # noqa: ANN401  # JSON
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

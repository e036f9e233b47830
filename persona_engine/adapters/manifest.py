"""What vouches for an adapter's files: their hashes, what they were made of, and from what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

from safetensors import SafetensorError, safe_open

from persona_engine.errors import ArtefactError, InvalidInputError
from persona_engine.jsonlines import decoded, readable
from persona_engine.types import AdapterKind, Json
from persona_engine.weights.manifest import file_sha256

CONFIG, WEIGHTS, MANIFEST = "adapter_config.json", "adapter_model.safetensors", "manifest.json"
FORMAT = 1
KINDS: tuple[AdapterKind, ...] = get_args(AdapterKind)
_HELD = frozenset((CONFIG, WEIGHTS, MANIFEST))
_REMEDY = "delete this version, and train the adapter again or publish another one"


@dataclass(frozen=True, slots=True)
class AdapterManifest:
    """What one version of an adapter says of itself.

    Args:
        cluster: Lasting name of the cluster that it was trained for.
        base: Hash of the base model (`persona_engine.generation.model.LocalModel.hash`).
        trainer: Plugin that trained it.
        files: sha256 of each of its files, by name.
        size: Of its weights, in bytes.
        data: Fingerprint of what it was trained on.
        metrics: What it was judged by.
        seeds: What decided its training's draws, by what they were for.
        settings: Of its trainer.
        code: Version of persona_engine that trained it.
        format: Version of this layout.
    """

    cluster: str
    base: str
    trainer: str
    files: Mapping[str, str]
    size: int
    data: str
    metrics: Json
    seeds: Mapping[str, int]
    settings: Json
    code: str
    format: int = FORMAT

    @property
    def content(self) -> bytes:
        """The manifest's file."""
        document = {field.name: getattr(self, field.name) for field in fields(self)}
        return (
            json.dumps(_plain(document), indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"
        )

    @property
    def sha256(self) -> str:
        """Hash of the file."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def version(self) -> str:
        """The adapter's id: equal files that were made alike have an equal one."""
        return self.sha256[:16]


def read_manifest(content: bytes, where: Path) -> AdapterManifest:
    """Return what a manifest's file says.

    Raises:
        ArtefactError: It is no manifest, or one of another layout.
    """
    try:
        document = decoded(content, str(where))
    except InvalidInputError as error:
        raise ArtefactError(f"the manifest is damaged: {error.message}", remedy=_REMEDY) from error
    names = {field.name for field in fields(AdapterManifest)}
    if not isinstance(document, dict) or document.keys() != names:
        raise ArtefactError(
            f"{where} is no adapter's manifest, expected {', '.join(sorted(names))}",
            remedy=_REMEDY,
        )
    if document["format"] != FORMAT:
        raise ArtefactError(
            f"{where} has format {document['format']!r}, expected {FORMAT}",
            remedy="install the persona-engine that wrote it",
        )
    return AdapterManifest(**document)


def verify_folder(folder: Path, *, sha256: str) -> AdapterManifest:
    """Return the manifest of an adapter's folder, once everything in it is what that says.

    Args:
        folder: Of the registry.
        sha256: Hash of the manifest, as the store knows it.

    Raises:
        ArtefactError: The folder is missing, is or holds a link, lacks a file or holds another
            one, or a file has another hash.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise ArtefactError(f"{folder} is no folder of the registry", remedy=_REMEDY)
    for path in sorted(folder.iterdir()):
        if path.name not in _HELD or path.is_symlink() or not path.is_file():
            kind = "a link" if path.is_symlink() else "no file of an adapter"
            raise ArtefactError(
                f"{folder} holds {path.name!r}, which is {kind}: only {', '.join(sorted(_HELD))} "
                "are loaded",
                remedy=f"delete {path}",
            )
    lacking = [name for name in sorted(_HELD) if not (folder / name).exists()]
    if lacking:
        raise ArtefactError(f"{folder} lacks {', '.join(lacking)}", remedy=_REMEDY)
    manifest = _vouched(folder / MANIFEST, sha256)
    for name in (CONFIG, WEIGHTS):
        _check_hash(folder / name, str(manifest.files.get(name)))
    return manifest


def check_layout(folder: Path) -> None:
    """Raise unless a folder holds an adapter in PEFT's layout, as safetensors.

    Raises:
        ArtefactError: A file is missing or damaged, or the adapter is of another format.
    """
    if not (folder / WEIGHTS).is_file():
        others = sorted(path.name for path in folder.glob("*") if path.suffix in _PICKLES)
        found = f"only {', '.join(others)}" if others else "nothing else that could be one"
        raise ArtefactError(
            f"{folder} has no {WEIGHTS}, {found}",
            remedy="save the adapter with PEFT's `save_pretrained(safe_serialization=True)`",
        )
    try:
        with readable(folder / CONFIG):
            config = decoded((folder / CONFIG).read_bytes(), str(folder / CONFIG))
        with safe_open(folder / WEIGHTS, framework="numpy") as tensors:
            names = list(tensors.keys())
    except (InvalidInputError, SafetensorError, OSError) as error:
        raise ArtefactError(f"{folder} holds no adapter that can be read: {error}") from error
    kind = config.get("peft_type") if isinstance(config, dict) else None
    if kind not in KINDS or not names:
        raise ArtefactError(
            f"{folder} describes an adapter of the kind {kind!r}, expected {' or '.join(KINDS)}"
        )


_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


def _vouched(path: Path, sha256: str) -> AdapterManifest:
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ArtefactError(f"{path} has sha256 {found}, expected {sha256}", remedy=_REMEDY)
    return read_manifest(content, path)


def _check_hash(path: Path, sha256: str) -> None:
    found = file_sha256(path)
    if found != sha256:
        raise ArtefactError(
            f"{path} has sha256 {found}, its manifest says {sha256}", remedy=_REMEDY
        )


def _plain(value: Any) -> Any:  # noqa: ANN401  # whatever JSON may hold
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value

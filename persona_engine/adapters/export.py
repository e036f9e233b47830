"""Adapters in the layout that servers of many LoRA adapters load."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

from persona_engine.adapters.manifest import CONFIG, WEIGHTS
from persona_engine.errors import ArtefactError, InvalidInputError


def export_adapter(source: Path, target: Path, *, base_model: str) -> Path:
    """Write an adapter's folder as vLLM, LoRAX, SGLang and TGI load it, and return it.

    It holds ``adapter_config.json``, which names the base model, and
    ``adapter_model.safetensors``. With vLLM (``--enable-lora``, and
    ``VLLM_ALLOW_RUNTIME_LORA_UPDATING=True``), ``POST /v1/load_lora_adapter`` takes
    ``{"lora_name": VERSION, "lora_path": FOLDER}``; a request then names it as its ``model``, which
    is what `persona_engine.types.Personalization.adapter` says.

    Args:
        source: Folder of a verified version.
        target: Folder to write; it appears as a whole, in place of an earlier export.
        base_model: Name or path of the base model, as the server knows it.

    Raises:
        InvalidInputError: ``base_model`` is blank, or the adapter is a steering vector, which only
            this engine's own generator serves.
        ArtefactError: The target is something else than an earlier export, or cannot be written.
    """
    if not base_model.strip():
        raise InvalidInputError(f"base_model is {base_model!r}, expected a model's name or path")
    config = json.loads((source / CONFIG).read_bytes())
    if config["peft_type"] != "LORA":
        raise InvalidInputError(
            f"{source.name} is an adapter of the kind {config['peft_type']}, which servers of LoRA "
            "adapters do not know",
            remedy="train a LoRA adapter, such as `persona adapters train --loss dpo`",
        )
    config["base_model_name_or_path"] = base_model
    half = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
    try:
        _check_replaceable(target)
        half.mkdir(parents=True)
        shutil.copyfile(source / WEIGHTS, half / WEIGHTS)
        (half / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
        if target.exists():
            shutil.rmtree(target)
        half.rename(target)
    except OSError as error:
        shutil.rmtree(half, ignore_errors=True)
        raise ArtefactError(
            f"{target} cannot be written: {error.strerror or error}",
            remedy="name a folder that can be written",
        ) from error
    return target


def _check_replaceable(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise ArtefactError(f"{target} is no folder", remedy="name another one")
    held = {path.name for path in target.iterdir()} if target.exists() else set()
    if held and held != {CONFIG, WEIGHTS}:
        raise ArtefactError(
            f"{target} holds {', '.join(sorted(held))}, which is no exported adapter",
            remedy="name another folder",
        )

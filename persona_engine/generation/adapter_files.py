"""Reads adapters from files: LoRA in PEFT's layout, and steering vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from persona_engine.errors import WeightsError
from persona_engine.generation.mixing import Adapter
from persona_engine.generation.projections import Projection
from persona_engine.jsonlines import decoded

if TYPE_CHECKING:
    from persona_engine.generation.loading import LoadedModel

PREFIX = "base_model.model."
STEERING = "steering"
"""Name of a vector that is added to a linear layer's output, as the last part of a tensor's name.

A configuration with the ``peft_type`` ``STEERING`` stands beside such tensors.
"""

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

# What PEFT's LoRA can also be, and this arithmetic is not.
_UNKNOWN = ("use_dora", "modules_to_save", "layer_replication", "fan_in_fan_out", "lora_bias")


def read_adapter(folder: Path, model: LoadedModel) -> Adapter:
    """Read an adapter: LoRA in PEFT's layout, or steering vectors beside such a configuration.

    Raises:
        WeightsError: The folder has no adapter of this network, or one of a kind that is not known
            here.
    """
    from safetensors.torch import load_file

    config = _read_config(folder)
    try:
        tensors = load_file(folder / WEIGHTS)
    except Exception as error:  # safetensors raises its own kind
        raise WeightsError(
            f"{folder / WEIGHTS} cannot be read as safetensors: {error}",
            remedy="save the adapter with PEFT's `save_pretrained`",
        ) from error
    layers = {
        path: layer
        for path, layer in model.network.named_modules()
        if isinstance(layer, Projection)
    }
    pairs, shifts = {}, {}
    for key in sorted(tensors):
        path, part = _split(key)
        if part not in ("lora_A.weight", "lora_B.weight", STEERING) or path not in layers:
            raise WeightsError(
                f"{folder} changes {key!r}, which is no linear layer of this network",
                remedy="use an adapter that was trained on the same base model",
            )
        if part == "lora_A.weight":
            pairs[path] = _pair(tensors, key, layers[path], config, model)
        elif part == STEERING:
            shifts[path] = _shift(tensors, key, layers[path], model)
    return Adapter(pairs, shifts)


def _split(key: str) -> tuple[str, str]:
    """Return a layer's path and what of it a tensor changes.

    Examples:
        >>> _split("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight")
        ('model.layers.0.self_attn.q_proj', 'lora_A.weight')
    """
    path, dot, part = key.removeprefix(PREFIX).partition(".lora_")
    if dot:
        return path, f"lora_{part}"
    path, _, part = path.rpartition(".")
    return path, part


def _shift(
    tensors: Mapping[str, torch.Tensor], key: str, layer: Projection, model: LoadedModel
) -> torch.Tensor:
    vector = tensors[key]
    if vector.shape != (layer.out_features,):
        raise WeightsError(
            f"{key} has shape {tuple(vector.shape)}, expected ({layer.out_features},)",
            remedy="use an adapter that was trained on the same base model",
        )
    return vector.to(model.device, model.dtype)


def _pair(
    tensors: Mapping[str, torch.Tensor],
    key: str,
    layer: Projection,
    config: Mapping[str, Any],
    model: LoadedModel,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return A transposed ``(in, r)`` and s B transposed ``(r, out)`` of one layer."""
    down, up = tensors[key], tensors.get(key.replace("lora_A", "lora_B"))
    rank = down.shape[0]
    if (
        up is None
        or down.shape != (rank, layer.in_features)
        or up.shape
        != (
            layer.out_features,
            rank,
        )
    ):
        raise WeightsError(
            f"{key} has shapes {tuple(down.shape)} and {None if up is None else tuple(up.shape)}, "
            f"expected (r, {layer.in_features}) and ({layer.out_features}, r)",
            remedy="use an adapter that was trained on the same base model",
        )
    scale = config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank)
    changed = (down.t().contiguous(), (scale * up.float()).t().contiguous())
    return changed[0].to(model.device, model.dtype), changed[1].to(model.device, model.dtype)


def _read_config(folder: Path) -> Mapping[str, Any]:
    try:
        config = decoded((folder / CONFIG).read_bytes(), str(folder / CONFIG))
    except OSError as error:
        raise WeightsError(
            f"{folder / CONFIG} cannot be read: {error}, expected an adapter's folder",
            remedy="save the adapter with PEFT's `save_pretrained`",
        ) from error
    if not isinstance(config, dict):
        raise WeightsError(f"{folder / CONFIG} is {config!r}, expected a JSON object")
    other = [name for name in _UNKNOWN if config.get(name)]
    if config.get("peft_type") == STEERING.upper():
        return config
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none" or other:
        raise WeightsError(
            f"{folder / CONFIG} describes {config.get('peft_type')!r} with {other or 'a bias'}, "
            "expected a plain LoRA adapter",
            remedy="train with peft.LoraConfig(bias='none') and none of these options",
        )
    return config

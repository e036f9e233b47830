"""A LoRA adapter of rank 8 on every linear layer, which changes next to nothing: what it costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from decoding_models import generator, rival

NAME = "measured"
_RANK = 8


def load_adapter(folder: Path, *, seed: int) -> None:
    """Write an adapter in PEFT's layout and let the generator load it."""
    import torch
    from safetensors.torch import save_file

    draw = torch.Generator().manual_seed(seed)
    tensors = {}
    for path, layer in rival().network.named_modules():
        if isinstance(layer, torch.nn.Linear) and "layers" in path:
            for part, shape in (
                ("A", (_RANK, layer.in_features)),
                ("B", (layer.out_features, _RANK)),
            ):
                small = 1e-3 * torch.randn(shape, generator=draw)
                tensors[f"base_model.model.{path}.lora_{part}.weight"] = small
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": _RANK, "lora_alpha": _RANK, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    loaded: Any = generator()
    loaded.load_adapter(NAME, folder)

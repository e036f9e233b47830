"""Steering vectors as adapter files: what is added to the residual stream after a layer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.generation.adapter_files import CONFIG, PREFIX, STEERING, WEIGHTS
from persona_engine.types import FloatArray

if TYPE_CHECKING:
    from persona_engine.generation.loading import LoadedModel
    from persona_engine.generation.model import LocalModel


def write_steering(model: LocalModel, folder: Path, *, layer: int, vector: FloatArray) -> None:
    """Write an adapter that adds a vector to the residual stream after a layer.

    It is added to the output of the layer's last linear map. Where an architecture normalises that
    output before it joins the stream (Gemma 2), the norm is taken of the sum.

    Args:
        model: The base model.
        folder: An existing folder.
        layer: Counted from 1.
        vector: ``(hidden_size,)``.

    Raises:
        InvalidInputError: There is no such layer, or the vector has another width or is not finite.
        WeightsError: The model cannot be loaded.
    """
    from safetensors.numpy import save_file

    if not 1 <= layer <= model.layer_count:
        raise InvalidInputError(f"layer is {layer!r}, expected 1 to {model.layer_count}")
    if vector.shape != (model.hidden_size,) or not np.isfinite(vector).all():
        raise InvalidInputError(
            f"the vector has shape {vector.shape}, expected {model.hidden_size} finite numbers"
        )
    path = _last_linear(model.load(), layer, model.hidden_size)
    key = f"{PREFIX}{path}.{STEERING}"
    save_file({key: np.ascontiguousarray(vector, np.float32)}, folder / WEIGHTS)
    told = {"peft_type": STEERING.upper(), "base_model_name_or_path": model.weights.name}
    (folder / CONFIG).write_text(json.dumps(told), encoding="utf-8")


def _last_linear(model: LoadedModel, layer: int, width: int) -> str:
    """Return the path of the last linear map of a layer that ends in the residual stream."""
    from persona_engine.generation.projections import Projection

    found = [
        each.path
        for each in model.layer(layer).modules()
        if isinstance(each, Projection) and each.out_features == width
    ]
    return found[-1]

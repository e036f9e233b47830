"""One run: from a task to an adapter's files, by whichever method."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from safetensors.torch import save

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress
from persona_engine.types import TrainedAdapter, TrainingTask
from persona_lora.files import ADAPTER, FIGURES, claim, publish, remember, remembered
from persona_lora.quiet import undisturbed
from persona_lora.reading import Reader, load

if TYPE_CHECKING:
    from persona_lora.settings import LoraTrainer


def run(method: LoraTrainer, task: TrainingTask, progress: Progress) -> TrainedAdapter:
    """Train, or go on, or return what an earlier run of the same task has finished."""
    adapter = task.folder / ADAPTER
    claim(task, method)
    figures = remembered(task.folder / FIGURES)
    if figures is None or not adapter.is_dir():
        with undisturbed(task.seed):
            reader = load(task.weights, method)
            figures = _trained(method, task, reader, progress)
            remember(task.folder / FIGURES, figures)
            publish(adapter, _files(reader, base=task.weights.name))
    return TrainedAdapter(adapter, method.settings, figures)


def _trained(
    method: LoraTrainer, task: TrainingTask, reader: Reader, progress: Progress
) -> dict[str, float]:
    rows = method.rows(task, reader, progress)
    if not rows:
        raise InvalidInputError(
            f"nothing is left to train {method.name!r} on",
            remedy="give more comparisons or prompts, or let more samples be kept",
        )
    return method.fit(task, rows, reader, progress)


def _files(reader: Reader, *, base: str) -> dict[str, bytes]:
    """Return the adapter in PEFT's layout."""
    from peft import get_peft_model_state_dict

    network = reader.network
    tensors = get_peft_model_state_dict(network, save_embedding_layers=False)
    config = network.peft_config["default"].to_dict()
    config = {k: sorted(v) if isinstance(v, set) else v for k, v in config.items()}
    config |= {"inference_mode": True, "base_model_name_or_path": base}  # not where it lies
    return {
        "adapter_config.json": json.dumps(config, indent=2, sort_keys=True).encode(),
        "adapter_model.safetensors": save(
            {name: value.cpu().contiguous() for name, value in tensors.items()}
        ),
    }

"""What training needs to go on: one file of tensors, replaced whole.

Transformers' own checkpoints are folders with pickles in them, written in place: one that was being
written when the process was killed cannot be read. Here adapter and optimizer are one safetensors
file, and the trainer's state is its metadata. Nothing is drawn while training (the order of
examples is planned before, there is no dropout), so no generator's state belongs to it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from persona_lora.files import CHECKPOINT, STATE, write_whole

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class Resumable:
    """What a trainer of transformers lacks to go on exactly where it was killed.

    Mixed in before the trainer. Its ``output_dir`` is a folder of its own in the task's folder.
    """

    def more_state(self) -> dict[str, Any]:
        """Return what a method keeps from step to step besides, as JSON."""
        return {}

    def take_state(self, state: dict[str, Any]) -> None:
        """Take what `more_state` returned when the checkpoint was written."""

    def _send_telemetry(self) -> None:
        """Tell nobody."""

    def _save_checkpoint(self: Any, model: Any, trial: Any) -> None:  # noqa: ANN401
        tensors, groups = {}, []
        for group in self.optimizer.param_groups:
            groups.append({k: v for k, v in group.items() if k != "params"})
        state = self.optimizer.state
        for name, parameter in self._trained():
            tensors[f"adapter.{name}"] = parameter.detach()
            for moment in _MOMENTS:
                tensors[f"{moment}.{name}"] = state[parameter][moment]
        told = {
            "trainer": asdict(self.state),
            "optimizer": groups,
            "scheduler": self.lr_scheduler.state_dict(),
            "more": self.more_state(),
        }
        tensors = {key: value.cpu().contiguous() for key, value in tensors.items()}
        content = save(tensors, metadata={"state": json.dumps(told)})
        write_whole(Path(self.args.output_dir).parent / CHECKPOINT, content)

    def _load_from_checkpoint(self: Any, folder: str, model: Any = None) -> None:  # noqa: ANN401
        with safe_open(_file(folder), "pt") as file, torch.no_grad():
            for name, parameter in self._trained():
                parameter.copy_(file.get_tensor(f"adapter.{name}"))
            self.take_state(json.loads(file.metadata()["state"])["more"])

    def _load_optimizer_and_scheduler(self: Any, folder: str | None) -> None:
        if folder is None:
            return
        with safe_open(_file(folder), "pt") as file:
            told = json.loads(file.metadata()["state"])
            named = {id(parameter): name for name, parameter in self._trained()}
            state, groups, place = {}, [], 0
            for group, kept in zip(self.optimizer.param_groups, told["optimizer"], strict=True):
                places = []
                for parameter in group["params"]:
                    name = named[id(parameter)]
                    state[place] = {
                        moment: file.get_tensor(f"{moment}.{name}") for moment in _MOMENTS
                    }
                    places.append(place)
                    place += 1
                groups.append({**kept, "params": places})
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.lr_scheduler.load_state_dict(told["scheduler"])

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Nothing is drawn while training."""

    def _trained(self: Any) -> list[tuple[str, torch.nn.Parameter]]:
        network = self.accelerator.unwrap_model(self.model)
        return [(name, p) for name, p in network.named_parameters() if p.requires_grad]


def found(folder: Path) -> str | None:
    """Return what ``train(resume_from_checkpoint=…)`` takes, if there is a readable checkpoint."""
    try:
        with safe_open(folder / CHECKPOINT, "pt") as file:
            told = json.loads(file.metadata()["state"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    state = folder / STATE
    state.mkdir(exist_ok=True)
    write_whole(state / "trainer_state.json", json.dumps(told["trainer"]).encode())
    return str(state)


def _file(folder: str) -> Path:
    return Path(folder).parent / CHECKPOINT

"""An adapter on every linear layer that changes next to nothing, and one that answers trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from decoding_models import PLUGINS, folder, generator, rival
from decoding_people import Person

from persona_engine.onboarding import question_bank
from persona_engine.types import TrainingPair, TrainingTask

NAME, TRAINED = "measured", "trained"
_ANSWERS, _STEPS = 64, 12
_RANK = 8


def load_adapter(into: Path, *, seed: int) -> None:
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
    save_file(tensors, into / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": _RANK, "lora_alpha": _RANK, "bias": "none"}
    (into / "adapter_config.json").write_text(json.dumps(config))
    loaded: Any = generator()
    loaded.load_adapter(NAME, into)


def train_adapter(person: Person, into: Path, *, quick: bool, seed: int) -> None:
    """Train an adapter on a person's answers by DPO and let the generator load it."""
    places = list(range(1, len(question_bank()), 2))[: 4 if quick else _ANSWERS]
    pairs = []
    for place, high in zip(places, person.answers(places, seed=seed), strict=True):
        question = question_bank()[place]
        first = (question.high == "a") == high
        sides = (question.a, question.b) if first else (question.b, question.a)
        ask = ({"role": "user", "content": question.prompt},)
        pairs.append(TrainingPair(ask, *sides, user=person.name))
    trainer = PLUGINS.create(
        "adapter_trainer", "dpo", learning_rate=1e-3, steps=1 if quick else _STEPS
    )
    trained = trainer.train(TrainingTask(folder(), into, tuple(pairs), seed=seed))
    loaded: Any = generator()
    loaded.load_adapter(TRAINED, trained.folder)

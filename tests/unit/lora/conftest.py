"""Comparisons on a tiny model, and trainers that are ready to take a step."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from persona_engine.testing.tiny_model import write_tiny_model
from persona_engine.types import TrainingTask

sys.path.insert(0, str(Path(__file__).parent))

from lora_pairs import PAIRS


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "tiny-model")


@pytest.fixture
def task(tiny: Path, tmp_path: Path):
    def make(pairs=PAIRS, **more):
        return TrainingTask(tiny, tmp_path / more.pop("folder", "work"), tuple(pairs), **more)

    return make


@pytest.fixture
def at_first_step(tmp_path: Path):
    """Return a method's trainer, with an adapter that does something, and its first batch."""

    def make(method, task):
        import torch
        from datasets import Dataset

        from persona_lora.batches import Collator
        from persona_lora.quiet import undisturbed
        from persona_lora.reading import load
        from persona_lora.steps import _add_references, _arguments

        task.folder.mkdir(exist_ok=True)
        with undisturbed(1):
            reader = load(task.weights, method)
            rows = method.rows(task, reader, lambda *_: None)
            _add_references(task.folder, rows, reader, lambda *_: None)
            trainer = method.trainer(
                rows,
                _arguments(method, task, steps=1, part=len(rows)) | {"bf16": False},
                model=reader.network,
                train_dataset=Dataset.from_list(rows),
                data_collator=Collator(reader.tokenizer.pad_token_id),
                processing_class=reader.tokenizer,
            )
            for name, parameter in reader.network.named_parameters():
                if "lora_B" in name:
                    torch.nn.init.normal_(parameter, std=0.3)
        reader.network.float()
        return trainer, Collator(reader.tokenizer.pad_token_id)(rows)

    return make

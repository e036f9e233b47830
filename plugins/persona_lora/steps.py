"""Gradient steps by TRL's trainers, with checkpoints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from transformers.trainer_callback import PrinterCallback

from persona_engine.interfaces import Progress
from persona_engine.types import TrainingTask
from persona_lora.batches import Collator, Row, plan
from persona_lora.checkpoints import found
from persona_lora.files import REFERENCES, STATE, remember, remembered
from persona_lora.memory import rows_at_once
from persona_lora.quiet import Tell
from persona_lora.reading import Reader
from persona_lora.scoring import references

if TYPE_CHECKING:
    from persona_lora.stepping import SteppingTrainer


def taken(
    method: SteppingTrainer,
    task: TrainingTask,
    rows: list[Row],
    reader: Reader,
    progress: Progress,
) -> dict[str, float]:
    """Train, or go on where an earlier run was broken off; return what the trainer noted."""
    _add_references(task.folder, rows, reader, progress)
    part = rows_at_once(reader, rows, batch=method.batch, memory_mb=method.memory_mb)
    steps = method.steps or max(1, math.ceil(method.epochs * len(rows) / method.batch))
    order = plan(rows, steps=steps, batch=method.batch, part=part, seed=task.seed)
    trainer = method.trainer(
        rows,
        _arguments(method, task, steps=steps, part=part),
        model=reader.network,
        train_dataset=Dataset.from_list(rows).select(order),
        data_collator=Collator(reader.tokenizer.pad_token_id),
        processing_class=reader.tokenizer,
        callbacks=[Tell(progress)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=found(task.folder))
    return _figures(trainer.state.log_history, steps)


def _add_references(folder: Path, rows: list[Row], reader: Reader, progress: Progress) -> None:
    """Give each row the base model's log-probabilities of its replies, read once for all runs."""
    known = remembered(folder / REFERENCES)
    if known is None:
        known = [list(map(sum, each)) for each in references(reader, rows, progress=progress)]
        remember(folder / REFERENCES, known)
    for row, of_replies in zip(rows, known, strict=True):
        row["reference"] = of_replies


def _arguments(
    method: SteppingTrainer, task: TrainingTask, *, steps: int, part: int
) -> dict[str, Any]:
    """Return what transformers is told, whichever trainer it is."""
    return {
        "output_dir": str(task.folder / STATE),
        "per_device_train_batch_size": part,
        "gradient_accumulation_steps": method.batch // part,
        "num_train_epochs": 1,  # the rows are in the order of all rounds
        "train_sampling_strategy": "sequential",
        "learning_rate": method.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": max(1, steps // 10),
        "save_strategy": "steps",
        "save_steps": method.save_every,
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "bf16": True,
        "use_cpu": not torch.cuda.is_available(),
        "seed": task.seed % 2**32,
    }


def _figures(history: Sequence[dict[str, float]], steps: int) -> dict[str, float]:
    """Return the loss of the first and of the last quarter, and what else the trainer noted."""
    logs = [each for each in history if "loss" in each]
    last = logs[-max(1, len(logs) // 4) :]
    noted = {"steps": float(steps), "first_loss": float(logs[0]["loss"])}
    for name in ("loss", "accuracy"):
        values = [each[name] for each in last if name in each]
        if values:
            noted[name] = float(sum(values) / len(values))
    return noted

"""Examples as rows of tokens, in the order of training, and rows as batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from persona_lora.examples import Example
from persona_lora.reading import Reader

IGNORED = -100
Row = dict[str, Any]
Batch = Mapping[str, torch.Tensor]


def as_rows(examples: Sequence[Example], reader: Reader) -> list[Row]:
    """Return each example with the tokens of its prompt and of its replies."""
    groups = sorted({each.group for each in examples})
    rows = []
    for example in examples:
        prompt = reader.prompt(example.prompt)
        rows.append(
            {
                "prompt": prompt,
                "replies": [reader.reply(text, prompt) for text in example.replies],
                "weight": example.weight,
                "opposed": example.opposed,
                "probability": example.probability,
                "gains": list(example.gains) or [0.0] * len(example.replies),
                "group": groups.index(example.group),
            }
        )
    return rows


def length(row: Row) -> int:
    """Return the tokens of the longest of a row's sequences."""
    return len(row["prompt"]) + max(map(len, row["replies"]))


def plan(rows: Sequence[Row], *, steps: int, batch: int, part: int, seed: int) -> list[int]:
    """Return which row comes when: whole rounds in random order, for all steps at once.

    The rows of a step that are read together are of about one length, so that little is padding.

    Args:
        rows: What is trained on.
        steps: How many steps there are.
        batch: Rows of a step.
        part: Rows that are read together.
        seed: Draws the rounds.
    """
    rng = np.random.default_rng([seed, 1])
    order: list[int] = []
    while len(order) < steps * batch:
        order += rng.permutation(len(rows)).tolist()
    lengths = [length(row) for row in rows]
    planned: list[int] = []
    for start in range(0, steps * batch, batch):
        step = sorted(order[start : start + batch], key=lambda place: lengths[place])
        parts = [step[first : first + part] for first in range(0, batch, part)]
        planned += [place for n in rng.permutation(len(parts)) for place in parts[n]]
    return planned


@dataclass(frozen=True)
class Collator:
    """Makes a batch of rows: their sequences one under the other, padded on the right.

    Args:
        padding: The token that fills up.
        fields: Numbers of each row that the batch carries, as ``(B,)``.
        per_reply: Numbers of each reply that it carries, as ``(N,)``.
        per_token: Numbers of each reply's tokens that it carries, as ``(N, L)``.
    """

    padding: int
    fields: Sequence[str] = ("weight", "opposed", "probability")
    per_reply: Sequence[str] = ("gains", "reference")
    per_token: Sequence[str] = field(default=("token_weights",))

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Return tokens ``(N, L)`` and numbers of ``B`` rows with ``N`` replies."""
        pairs = [(row["prompt"], reply) for row in rows for reply in row["replies"]]
        width = max(len(prompt) + len(reply) for prompt, reply in pairs)
        batch = {
            "input_ids": _padded([p + r for p, r in pairs], width, self.padding),
            "attention_mask": _padded([[1] * len(p + r) for p, r in pairs], width, 0),
            "labels": _padded([[IGNORED] * len(p) + r for p, r in pairs], width, IGNORED),
            "size": torch.tensor([len(row["replies"]) for row in rows]),
            "group": torch.tensor([row["group"] for row in rows]),
        }
        for name in self.fields:
            batch[name] = torch.tensor([row[name] for row in rows], dtype=torch.float32)
        for name in self.per_reply:
            if name in rows[0]:
                values = [value for row in rows for value in row[name]]
                batch[name] = torch.tensor(values, dtype=torch.float32)
        for name in self.per_token:
            if name in rows[0]:
                told = [[0.0] * len(row["prompt"]) + each for row in rows for each in row[name]]
                batch[name] = _padded(told, width, 0.0)
        return batch


def _padded(rows: Sequence[Sequence[Any]], width: int, filler: float) -> torch.Tensor:
    return torch.tensor([[*row, *[filler] * (width - len(row))] for row in rows])

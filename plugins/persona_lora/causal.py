"""TRL's SFT trainer on weighted replies, and NextQuill's loss in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from datasets import Dataset
from trl import SFTTrainer

from persona_engine.interfaces import Progress
from persona_lora.batches import IGNORED, Batch, Row, as_rows
from persona_lora.checkpoints import Resumable
from persona_lora.examples import Example
from persona_lora.reading import Reader
from persona_lora.scoring import as_read, base_model, log_probs, references, reply_logits


class ImitationTrainer(Resumable, SFTTrainer):  # type: ignore[misc]  # trl is untyped
    """SFTTrainer whose examples have weights; TRL's loss is asked for each by itself."""

    loss_is_scaled_for_ga = False

    def losses(self, scored: torch.Tensor, batch: Batch, network: Any) -> torch.Tensor:  # noqa: ANN401
        """Return the loss of each reply ``(B,)``, by its tokens' log-probabilities ``(B, K)``."""
        found = []
        for n in range(len(scored)):
            labels = batch["following"][n : n + 1]
            inputs = {"labels": labels, "attention_mask": labels != IGNORED}
            found.append(super().compute_loss(as_read(scored[n : n + 1]), inputs))
        return batch["weight"] * torch.stack(found)

    def compute_loss(
        self,
        model: Any,  # noqa: ANN401
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Return the mean over a batch."""
        logits, following = reply_logits(model, inputs)
        batch = {**inputs, "following": following, "logits": logits}
        return self.losses(log_probs(logits, following), batch, model).mean()

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:  # noqa: ANN401
        return dataset  # rows have tokens already


class NextQuillTrainer(ImitationTrainer):
    """NextQuill's loss; see `persona_lora.token_level.NextQuill`.

    Args:
        difference: What the loss of the added logits counts.
        given: What SFTTrainer takes.
    """

    def __init__(self, *, difference: float, **given: Any) -> None:  # noqa: ANN401
        self._difference = difference
        super().__init__(**given)

    def losses(self, scored: torch.Tensor, batch: Batch, network: Any) -> torch.Tensor:  # noqa: ANN401
        """Return the loss of each reply ``(B,)``."""
        following = batch["following"]
        weight = batch["token_weights"][:, -following.shape[1] :] * (following != IGNORED)
        own = -(weight * scored).sum(1) / weight.sum(1)
        if self._difference:
            with base_model(network):
                added = batch["logits"] - reply_logits(network, batch)[0]
            effect = -log_probs(added, following)
            own = own + self._difference * effect.sum(1) / (following != IGNORED).sum(1)
        return batch["weight"] * own


def token_weights(
    examples: Sequence[Example],
    reader: Reader,
    *,
    effect: float,
    telling: float,
    other: float,
    progress: Progress,
) -> list[Row]:
    """Return rows whose tokens weigh by whether telling what the users like made them likelier."""
    rows = as_rows(examples, reader)
    told = as_rows([replace(e, prompt=e.contrast or e.prompt) for e in examples], reader)
    plain = references(reader, rows, progress=progress)
    guided = references(reader, told, progress=progress)
    for row, before, after in zip(rows, plain, guided, strict=True):
        gained = _gained(before[0], after[0], len(row["replies"][0]))
        row["token_weights"] = [[telling if each > effect else other for each in gained]]
    return rows


def _gained(before: Sequence[float], after: Sequence[float], length: int) -> list[float]:
    """Return what each token's probability gained; a longer prompt may leave some unread, at 0."""
    known = [math.exp(b) - math.exp(a) for a, b in zip(before, after, strict=False)]
    return known + [0.0] * (length - len(known))

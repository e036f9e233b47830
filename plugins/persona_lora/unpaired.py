"""TRL's KTO trainer on weighted ratings."""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from trl import KTOTrainer

from persona_lora.batches import IGNORED, Batch
from persona_lora.checkpoints import Resumable
from persona_lora.scoring import as_read, log_probs, reply_logits


class UnpairedTrainer(Resumable, KTOTrainer):  # type: ignore[misc]  # trl is untyped
    """KTOTrainer whose examples have weights; TRL's loss is asked for each by itself.

    Rows have two replies: the rated one, and one to another prompt, by which the reference point is
    estimated over the batch.
    """

    def _compute_loss(self, model: Any, inputs: Batch, return_outputs: bool) -> torch.Tensor:  # noqa: ANN401
        rated, others = ({**inputs, **_every_second(inputs, first)} for first in (0, 1))
        with torch.no_grad():
            moved = log_probs(*reply_logits(model, others)).sum(1) - others["reference"]
        self._moved = moved.mean()[None]
        logits, following = reply_logits(model, rated)
        scored = log_probs(logits, following)
        losses = [self._trl_loss(scored, following, rated, n) for n in range(len(scored))]
        right = (scored.detach().sum(1) - rated["reference"] > self._moved) == (rated["gains"] > 0)
        share = (rated["weight"] * right).sum() / rated["weight"].sum()
        self._metrics["train"]["accuracy"].append(share.item())
        return (inputs["weight"] * torch.stack(losses)).mean()

    def _trl_loss(
        self, scored: torch.Tensor, following: torch.Tensor, batch: Batch, n: int
    ) -> torch.Tensor:
        row = slice(n, n + 1)
        completion = torch.nn.functional.pad((following[row] != IGNORED).long(), (1, 0))
        inputs = {
            "input_ids": completion,
            "attention_mask": completion,
            "completion_mask": completion,
            "label": batch["gains"][row] > 0,
            "ref_logps": batch["reference"][row],
            "ref_KL_logps": torch.zeros_like(self._moved),
        }
        loss: torch.Tensor = super()._compute_loss(as_read(scored[row]), inputs, False)
        return loss

    def _compute_kl_logps(self, model: Any, batch: Batch) -> torch.Tensor:  # noqa: ANN401
        return self._moved  # of the whole batch; the reference's part is taken off already

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:  # noqa: ANN401
        return dataset  # rows have tokens already

    def _precompute_ref_logps(self, dataset: Dataset, *_: Any) -> Dataset:  # noqa: ANN401
        return dataset  # rows have them already


def _every_second(batch: Batch, first: int) -> dict[str, torch.Tensor]:
    """Return what belongs to every second reply."""
    of_replies = ("input_ids", "attention_mask", "labels", "reference", "gains")
    return {name: batch[name][first::2] for name in of_replies}

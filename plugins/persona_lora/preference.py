"""TRL's DPO trainer on weighted comparisons."""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from trl import DPOTrainer

from persona_lora.batches import IGNORED, Batch
from persona_lora.checkpoints import Resumable
from persona_lora.groups import GroupWeights
from persona_lora.scoring import as_read, log_probs, reply_logits


class PreferenceTrainer(Resumable, DPOTrainer):  # type: ignore[misc]  # trl is untyped
    """DPOTrainer whose examples have weights, and may count the other way round as well.

    TRL's losses are means over a batch. Here one forward reads the whole batch, and TRL's loss is
    asked for each comparison by itself, of what that forward found: every loss that TRL has can be
    weighted so, and none is written again.

    Args:
        groups: Weights of the groups that comparisons come from; None where each counts by size.
        given: What DPOTrainer takes.
    """

    def __init__(self, *, groups: GroupWeights | None = None, **given: Any) -> None:  # noqa: ANN401
        self.groups = groups
        super().__init__(**given)

    def losses(self, scored: torch.Tensor, batch: Batch, network: Any) -> torch.Tensor:  # noqa: ANN401
        """Return the loss of each comparison ``(B,)``, by tokens' log-probabilities ``(2B, K)``."""
        following = batch["following"]
        found = []
        for n in range(len(batch["weight"])):
            rows = [2 * n, 2 * n + 1]
            loss = batch["weight"][n] * self._trl_loss(scored, following, batch, rows)
            if batch["opposed"][n] > 0:
                turned = self._trl_loss(scored, following, batch, rows[::-1])
                loss = loss + batch["opposed"][n] * turned
            found.append(loss)
        return torch.stack(found)

    def _trl_loss(
        self, scored: torch.Tensor, following: torch.Tensor, batch: Batch, rows: list[int]
    ) -> torch.Tensor:
        """Return TRL's loss of one comparison, whose preferred reply is the first row."""
        completion = torch.nn.functional.pad((following[rows] != IGNORED).long(), (1, 0))
        inputs = {
            "input_ids": completion,
            "attention_mask": completion,
            "completion_mask": completion,
            "ref_chosen_logps": batch["reference"][rows[:1]],
            "ref_rejected_logps": batch["reference"][rows[1:]],
        }
        loss: torch.Tensor = super()._compute_loss(as_read(scored[rows]), inputs, False)
        return loss

    def _compute_loss(self, model: Any, inputs: Batch, return_outputs: bool) -> torch.Tensor:  # noqa: ANN401
        logits, following = reply_logits(model, inputs)
        scored = log_probs(logits, following)
        batch = {**inputs, "following": following, "logits": logits}
        losses = self.losses(scored, batch, model)
        self._note(scored, batch)
        if self.groups is not None:
            losses = self.groups.reweighted(losses, inputs)
        return losses.mean()

    def _note(self, scored: torch.Tensor, batch: Batch) -> None:
        """Keep how often the implicit reward prefers what was preferred, by weight."""
        reward = (scored.detach().sum(1) - batch["reference"]).view(-1, 2)
        right = (reward[:, 0] > reward[:, 1]).float()
        weight, opposed = batch["weight"], batch["opposed"]
        share = (weight * right + opposed * (1 - right)).sum() / (weight + opposed).sum()
        self._metrics["train"]["accuracy"].append(share.item())

    def more_state(self) -> dict[str, Any]:
        """Return the groups' weights."""
        return {} if self.groups is None else self.groups.state()

    def take_state(self, state: dict[str, Any]) -> None:
        """Take the groups' weights."""
        if self.groups is not None:
            self.groups.take(state)

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:  # noqa: ANN401
        return dataset  # rows have tokens already

    def _precompute_ref_logps(self, dataset: Dataset, *_: Any) -> Dataset:  # noqa: ANN401
        return dataset  # rows have them already

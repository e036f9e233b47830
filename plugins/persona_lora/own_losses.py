"""Losses of pairs and lists that TRL has not, in its DPO trainer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.nn.functional import logsigmoid, softplus

from persona_lora.batches import IGNORED, Batch
from persona_lora.preference import PreferenceTrainer
from persona_lora.scoring import base_model, reply_logits


class OwnLossTrainer(PreferenceTrainer):
    """What losses of pairs that TRL has not have in common: the term that imitates."""

    def _sft(self, scored: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the weighted negative log-likelihood of preferred replies, a token."""
        share = dict(zip(self.loss_types, self.loss_weights, strict=True)).get("sft", 0.0)
        tokens = (batch["following"] != IGNORED).sum(1).clamp(min=1)
        each = (-scored.sum(1) / tokens).view(-1, 2)
        weight = torch.stack([batch["weight"], batch["opposed"]], 1)
        found: torch.Tensor = share * (weight * each).sum(1) / weight.sum(1)
        return found


class SoftSppoTrainer(OwnLossTrainer):
    """SPPO with probabilities between 0 and 1; see `persona_lora.pairwise.Sppo`."""

    def losses(self, scored: torch.Tensor, batch: Batch, network: Any) -> torch.Tensor:  # noqa: ANN401
        """Return the loss of each comparison ``(B,)``."""
        ratio = (scored.sum(1) - batch["reference"]).view(-1, 2)
        aim = (batch["probability"] - 0.5) / self.beta
        own: torch.Tensor = 0.5 * ((ratio[:, 0] - aim) ** 2 + (ratio[:, 1] + aim) ** 2)
        found: torch.Tensor = own + self._sft(scored, batch)
        return (batch["weight"] + batch["opposed"]) * found


class ForwardRobustTrainer(OwnLossTrainer):
    """DPO whose likelihood knows of wrong labels; see `persona_lora.pairwise.RobustDpo`.

    Args:
        noise: ε.
        given: What PreferenceTrainer takes.
    """

    def __init__(self, *, noise: float, **given: Any) -> None:  # noqa: ANN401
        self._noise = noise
        super().__init__(**given)

    def losses(self, scored: torch.Tensor, batch: Batch, network: Any) -> torch.Tensor:  # noqa: ANN401
        """Return the loss of each comparison ``(B,)``."""
        ratio = (scored.sum(1) - batch["reference"]).view(-1, 2)
        margin = self.beta * (ratio[:, 0] - ratio[:, 1])  # (B,)
        total = (batch["weight"] + batch["opposed"]) * self._sft(scored, batch)
        for weight, odds in ((batch["weight"], margin), (batch["opposed"], -margin)):
            answered = (1 - 2 * self._noise) * torch.sigmoid(odds) + self._noise
            total = total - weight * torch.log(answered)
        return total


class TdpoTrainer(OwnLossTrainer):
    """DPO with the divergence of each token; see `persona_lora.token_level.Tdpo`.

    Args:
        alpha: How much the divergences count.
        given: What PreferenceTrainer takes.
    """

    def __init__(self, *, alpha: float, **given: Any) -> None:  # noqa: ANN401
        self._alpha = alpha
        super().__init__(**given)

    def losses(self, scored: torch.Tensor, batch: Batch, network: Any) -> torch.Tensor:  # noqa: ANN401
        """Return the loss of each comparison ``(B,)``."""
        ratio = (scored.sum(1) - batch["reference"]).view(-1, 2)
        apart = self._divergence(batch, network).view(-1, 2)
        total = (batch["weight"] + batch["opposed"]) * self._sft(scored, batch)
        for weight, (won, lost) in ((batch["weight"], (0, 1)), (batch["opposed"], (1, 0))):
            margin = ratio[:, won] - ratio[:, lost]
            drift = apart[:, lost] - apart[:, won].detach()
            total = total - weight * logsigmoid(self.beta * (margin - self._alpha * drift))
        return total

    def _divergence(self, batch: Batch, network: Any) -> torch.Tensor:  # noqa: ANN401
        """Return Σ_t KL(base ‖ model) over each reply's tokens ``(N,)``."""
        with base_model(network):
            expected = torch.log_softmax(reply_logits(network, batch)[0], -1)
        now = torch.log_softmax(batch["logits"], -1)
        of_token = (expected.exp() * (expected - now)).sum(-1)  # (N, K)
        return (of_token * (batch["following"] != IGNORED)).sum(1)


class ListwiseTrainer(PreferenceTrainer):
    """LiPO-λ; see `persona_lora.listwise.Listwise`."""

    def losses(self, scored: torch.Tensor, batch: Batch, network: Any) -> torch.Tensor:  # noqa: ANN401
        """Return the loss of each list ``(B,)``."""
        reward = self.beta * (scored.sum(1) - batch["reference"])
        found = torch.stack([lambda_loss(*each) for each in _of_lists(reward, batch)])
        return batch["weight"] * found

    def _note(self, scored: torch.Tensor, batch: Batch) -> None:
        """Keep how often the better of two replies has the higher reward."""
        reward = scored.detach().sum(1) - batch["reference"]
        sizes = batch["size"].tolist()
        right, all_pairs = 0.0, 0.0
        for rewards, gains in zip(
            torch.split(reward, sizes), torch.split(batch["gains"], sizes), strict=True
        ):
            better = gains[:, None] > gains
            right += float((better & (rewards[:, None] > rewards)).sum())
            all_pairs += float(better.sum())
        if all_pairs:
            self._metrics["train"]["accuracy"].append(right / all_pairs)


def _of_lists(reward: torch.Tensor, batch: Batch) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield rewards and gains of each list."""
    sizes = batch["size"].tolist()
    yield from zip(torch.split(reward, sizes), torch.split(batch["gains"], sizes), strict=True)


def lambda_loss(rewards: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
    """Return Σ over pairs of Δ log(1 + exp(s_worse − s_better)), of one list.

    Δ = |2^g_i − 2^g_j| · |1/log₂(1 + rank_i) − 1/log₂(1 + rank_j)|, ranked by the rewards s.
    """
    rank = rewards.detach().argsort(descending=True).argsort() + 1
    discount = 1 / torch.log2(1 + rank.float())
    gain = 2.0**gains
    delta = (gain[:, None] - gain).abs() * (discount[:, None] - discount).abs()
    better = gains[:, None] > gains
    return (delta * better * softplus(rewards - rewards[:, None])).sum()

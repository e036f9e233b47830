"""Groups of a cluster weigh by how badly they are served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from persona_lora.batches import Batch, Row


class GroupWeights:
    """Group DRO (Sagawa et al. 2020, arXiv 1911.08731), as MaxMin-RLHF wants it (arXiv 2402.08925).

    The loss is Σ_g q_g L_g instead of the mean over all, where L_g is the mean loss of group g, and
    q ∝ q · exp(η L_g) after each batch: what a group loses raises what it counts. It begins with
    equal q, so that a small group is heard from the first step.

    Args:
        rows: All that is trained on; the groups' shares are those of their weights.
        rate: η.
    """

    def __init__(self, rows: Sequence[Row], *, rate: float) -> None:
        count = 1 + max(row["group"] for row in rows)
        self._share = torch.zeros(count)
        for row in rows:
            self._share[row["group"]] += row["weight"] + row["opposed"]
        self._share /= self._share.sum()
        self._log = torch.zeros(count)
        self._rate = rate

    @property
    def weights(self) -> torch.Tensor:
        """q, by group."""
        return torch.softmax(self._log, 0)

    def reweighted(self, losses: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return losses ``(B,)`` by what their groups count now, and learn from them."""
        group = batch["group"].cpu()
        counts = (self.weights / self._share)[group].to(losses.device)
        weight = (batch["weight"] + batch["opposed"]).cpu()
        for each in set(group.tolist()):
            here = group == each
            mean = losses.detach().cpu()[here].sum() / weight[here].sum()
            self._log[each] += self._rate * mean
        return counts * losses

    def state(self) -> dict[str, Any]:
        """Return log q, up to a constant."""
        return {"groups": self._log.tolist()}

    def take(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self._log = torch.tensor(state["groups"])

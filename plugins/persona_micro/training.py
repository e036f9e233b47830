"""Trains heads and router together, then the router alone, with early stopping on unseen users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from persona_engine.modelling import Doubles, Schedule, train
from persona_engine.types import FloatArray, IntArray
from persona_micro.routing import Comparisons, few_shot_gain

if TYPE_CHECKING:
    from torch import Tensor

    from persona_engine.modelling.training import Tensors

JOINT = Schedule(steps=120, learning_rate=0.01, every=20, patience=2)
ROUTER = Schedule(steps=150, learning_rate=0.05, every=15, patience=3)


@dataclass(frozen=True, slots=True)
class Routed:
    """Heads and the router over them.

    Args:
        heads: ``(R, K)`` weights of the principal axes.
        router: ``(Q, K)`` weights of the reduced prompt.
        bias: ``(K,)`` logits of the heads at the mean prompt.
    """

    heads: FloatArray
    router: FloatArray
    bias: FloatArray

    def logits(self, prompt: FloatArray) -> Doubles:
        """Return the router's logits ``(N, K)`` for reduced prompts ``(N, Q)``."""
        result: Doubles = (prompt @ self.router + self.bias).astype(np.float64)
        return result


@dataclass(frozen=True, slots=True)
class Task:
    """What is learned from and what is judged on.

    Args:
        seen: Comparisons of the users to train on.
        unseen: Comparisons of the held-out users.
        shared: ``(R,)`` pooled weights that the heads are drawn to.
        ridge: Penalty of what sets a head apart, in units of comparisons.
        balance: Weight of the load-balancing loss.
    """

    seen: Comparisons
    unseen: Comparisons
    shared: Doubles
    ridge: float
    balance: float

    def gain(self, routed: Routed, rate: float) -> Doubles:
        """Return each held-out user's gain over pooled in nats per comparison, ``(U,)``."""
        pooled = self.unseen.log_likelihood(self.shared[:, None].astype(np.float32))[:, 0]
        likelihood = self.unseen.log_likelihood(routed.heads)
        return few_shot_gain(
            self.unseen, likelihood, routed.logits(self.unseen.prompt), pooled, rate
        )


def train_routed(task: Task, start: Routed, *, rng: np.random.Generator) -> Routed:
    """Train heads and router on what each user's answers say of her other answers.

    In each step every user's comparisons are split at random into context and queries; a query's
    loss is ``-log Σ_k w_k σ(Δ_k)`` with ``w`` the router's softmax after Hedge on the context.
    """
    first = {"heads": start.heads, "router": start.router, "bias": start.bias}
    joint = _run(task, first, fixed={}, schedule=JOINT, rng=rng)
    heads = {"heads": joint["heads"]}
    rest = {"router": joint["router"], "bias": joint["bias"]}
    found = _run(task, rest, fixed=heads, schedule=ROUTER, rng=rng)
    return Routed(joint["heads"], found["router"], found["bias"])


def _run(
    task: Task,
    start: dict[str, FloatArray],
    *,
    fixed: dict[str, FloatArray],
    schedule: Schedule,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    import torch

    seen = task.seen
    users = int(seen.owner[-1]) + 1
    rows, weight, target, prompt = (
        torch.from_numpy(np.ascontiguousarray(each, np.float32))
        for each in (seen.rows, seen.weight[:, None], seen.target[:, None], seen.prompt)
    )
    owner = torch.from_numpy(seen.owner)
    shared = torch.from_numpy(task.shared.astype(np.float32))[:, None]
    given = {name: torch.from_numpy(value) for name, value in fixed.items()}
    draws = np.random.default_rng(rng.integers(2**63))
    total = float(seen.weight.sum())

    def likelihood(heads: Tensor) -> Tensor:
        logits = rows @ heads
        return -weight * (torch.nn.functional.softplus(logits) - target * logits)

    known = likelihood(given["heads"]) if "heads" in given else None

    def loss(at: Tensors, _: IntArray) -> Tensor:
        each = likelihood(at["heads"]) if known is None else known  # (N, K)
        share = draws.random(users)[seen.owner]
        context = torch.from_numpy((draws.random(len(seen.owner)) < share).astype(np.float32))
        evidence = torch.zeros(users, each.shape[1]).index_add(0, owner, each * context[:, None])
        router = prompt @ at["router"] + at["bias"]
        chosen = torch.log_softmax(router + evidence[owner], 1)
        fit = -(torch.logsumexp(chosen + each, 1) * (1.0 - context)).sum()
        asked = torch.clamp(((1.0 - context) * weight[:, 0]).sum(), min=1.0)
        penalty = 1e-3 * at["router"].square().sum()
        if known is None:
            apart = 0.5 * task.ridge * (at["heads"] - shared).square().sum() / total
            penalty = penalty + apart + task.balance * _imbalance(router)
        return fit / asked + penalty

    def held_out(at: Tensors) -> float:
        values = {name: value.detach().numpy() for name, value in {**given, **at}.items()}
        return -float(task.gain(Routed(**values), 1.0).mean())

    return train(
        start, loss, items=1, schedule=schedule, rng=rng, held_out_loss=held_out
    ).parameters


def _imbalance(router: Tensor) -> Tensor:
    """Return ``K Σ_k p̄_k² - 1`` of the mean shares ``p̄``: 0 where all heads carry alike."""
    import torch

    share = torch.softmax(router, 1).mean(0)
    return len(share) * share.square().sum() - 1.0

"""Fits what the scorer learns: the space, the heads, the two passes, their calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from persona_applicability.space import Values
from persona_engine.modelling import sigmoid
from persona_engine.types import FloatArray

if TYPE_CHECKING:
    from torch import Generator, Tensor

_DROPOUT = 0.1
_TEMPERATURE = 0.07


@dataclass(frozen=True, slots=True)
class Network:
    """Settings of one pass's networks."""

    hidden: int = 16
    members: int = 5
    epochs: int = 20
    batch: int = 512
    rate: float = 4e-3
    decay: float = 2e-2


def fit_projection(
    requests: FloatArray,
    instructions: FloatArray,
    alike: Values,
    *,
    start: FloatArray,
    steps: int,
    stay: float,
    seed: int,
    batch: int = 128,
) -> FloatArray:
    """Return ``W`` ``(E, K)`` that brings requests to the instructions that are about them.

    Minimises the symmetric InfoNCE loss (van den Oord et al. 2018, arXiv:1807.03748) plus
    ``stay`` times the squared distance to where it starts, for there are few topics to learn from.

    Args:
        requests: Centred, ``(n, E)``.
        instructions: Of the same rows, centred, ``(n, E)``.
        alike: Whether two rows are about so much the same that neither is a negative, ``(n, n)``.
        start: Where ``W`` starts, ``(E, K)``.
        steps: Of Adam.
        stay: Penalty on leaving the start.
        seed: Decides on batches and dropout.
        batch: Pairs in a step.
    """
    import torch
    from torch.nn import functional

    generator = torch.Generator().manual_seed(seed)
    origin = torch.from_numpy(start)
    weights = origin.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([weights], lr=1e-3)
    left, right = torch.from_numpy(requests), torch.from_numpy(instructions)
    same = torch.from_numpy(np.asarray(alike))
    for _ in range(steps):
        rows = torch.randint(len(left), (batch,), generator=generator)
        a, b = (
            functional.normalize(_dropped(each[rows], generator) @ weights, dim=1)
            for each in (left, right)
        )
        mask = same[rows][:, rows].clone().fill_diagonal_(False)
        logits = (a @ b.T / _TEMPERATURE).masked_fill(mask, -1e9)
        target = torch.arange(batch)
        loss = functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
        loss = loss / 2 + stay * ((weights - origin) ** 2).sum() / 1e3
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    found: FloatArray = weights.detach().numpy()
    return found


def _dropped(x: Tensor, generator: Generator) -> Tensor:
    import torch

    keep = torch.rand(x.shape, generator=generator) >= _DROPOUT
    return x * keep / (1 - _DROPOUT)


def fit_head(x: FloatArray, y: Values, weight: Values, *, decay: float, seed: int) -> FloatArray:
    """Return a logistic regression's weights with the offset last, ``(E+1,)`` or ``(E+1, S)``."""
    import torch
    from torch.nn import functional

    torch.manual_seed(seed)
    inputs = torch.from_numpy(x)
    targets = torch.from_numpy(y.astype(np.float32))
    factor = torch.from_numpy(weight.astype(np.float32))
    shape = (x.shape[1], *targets.shape[1:])
    slopes = torch.zeros(shape, requires_grad=True)
    offset = torch.zeros(shape[1:], requires_grad=True)
    optimiser = torch.optim.LBFGS([slopes, offset], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        logits = inputs @ slopes + offset
        loss = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        total = (loss * factor).sum() / factor.sum() + decay * (slopes**2).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    found: FloatArray = torch.cat([slopes.detach(), offset.detach()[None]]).numpy()
    return found


def fit_pass(
    x: FloatArray, y: Values, weight: Values, *, network: Network, seed: int
) -> dict[str, FloatArray]:
    """Return shift, scale and the members' weights of one pass.

    Args:
        x: Features, ``(n, F)``.
        y: 0 or 1, ``(n,)``.
        weight: Of each row, ``(n,)``; zero counts for nothing.
        network: Its settings.
        seed: Decides on starts and batches.
    """
    import torch
    from torch.nn import functional

    spread = x.std(axis=0)
    shift, scale = x.mean(axis=0), np.where(spread > 1e-4, 1.0 / (spread + 1e-3), 0.0)
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.from_numpy(np.clip((x - shift) * scale, -5.0, 5.0).astype(np.float32))
    targets, factor = (torch.from_numpy(each.astype(np.float32)) for each in (y, weight))
    shape = (network.members, network.hidden)
    inner = torch.randn((network.members, x.shape[1] + 1, network.hidden), generator=generator)
    inner = (inner / x.shape[1] ** 0.5).requires_grad_(True)
    outer = (0.1 * torch.randn((shape[0], shape[1] + 1), generator=generator)).requires_grad_(True)
    line = torch.zeros((network.members, x.shape[1]), requires_grad=True)
    optimiser = torch.optim.AdamW([inner, outer, line], lr=network.rate, weight_decay=network.decay)
    steps = network.epochs * (len(x) // network.batch + 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        rows = torch.randint(len(x), (network.batch,), generator=generator)
        hidden = torch.tanh(inputs[rows] @ inner[:, :-1] + inner[:, -1:])
        logits = (hidden * outer[:, None, :-1]).sum(-1) + outer[:, None, -1]
        logits = logits + line @ inputs[rows].T
        loss = functional.binary_cross_entropy_with_logits(
            logits, targets[rows].expand_as(logits), weight=factor[rows].expand_as(logits)
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return {
        "shift": shift.astype(np.float32),
        "scale": scale.astype(np.float32),
        "in": inner.detach().numpy(),
        "out": outer.detach().numpy(),
        "line": line.detach().numpy(),
        "platt": np.array([1.0, 0.0], np.float32),
    }


def fit_platt(logits: Values, y: Values, weight: Values) -> FloatArray:
    """Return slope and offset that calibrate log odds (Platt 1999), by damped Newton steps."""
    x = np.stack([logits, np.ones_like(logits)], axis=1).astype(np.float64)

    def loss(at: Values) -> float:
        z = x @ at
        return float((weight * (np.logaddexp(0.0, z) - y * z)).sum())

    at = np.array([1.0, 0.0])
    for _ in range(25):
        p = sigmoid(x @ at).astype(np.float64)
        slope = x.T @ (weight * (p - y))
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        while loss(at - step) > loss(at) and np.abs(step).max() > 1e-9:
            step = step / 2
        at = at - step
    return at.astype(np.float32)

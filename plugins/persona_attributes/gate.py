"""Attention by prompt: which attributes matter for what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from persona_attributes.prior import Prior, Solve
from persona_engine.modelling import (
    Schedule,
    pair_loss,
    softmax,
    train,
)
from persona_engine.types import Arrays, Evidence, FloatArray

if TYPE_CHECKING:
    from torch import Tensor

    from persona_engine.modelling.training import Tensors
    from persona_engine.types import IntArray

_AXES = 16
_HELD_OUT = 0.3
_LEAST_GAIN = 0.002
_SCHEDULE = Schedule(steps=400, learning_rate=0.02, decay=0.01, batch=512)


def attention(state: Arrays, prompt: FloatArray | None, rows: int) -> FloatArray | None:
    """Return how much each attribute counts for prompts ``(P,)`` or ``(n, P)``: ``(n, 1+K)``.

    ``g(p) = softmax(Wp + b) / E_q[softmax(Wq + b)]``: 1 on average, for each attribute. A prompt of
    zeros is no prompt, for which everything counts 1; so does the shared reward, in column 0.

    Returns:
        None where nothing depends on the prompt.
    """
    if prompt is None or "gate_weights" not in state:
        return None
    asked: FloatArray = np.broadcast_to(np.atleast_2d(prompt), (rows, np.shape(prompt)[-1]))
    read = np.column_stack(
        [(asked - state["gate_centre"]) @ state["gate_axes"], np.ones(rows, np.float32)]
    )
    share = softmax(read @ state["gate_weights"]) / state["gate_mean"]
    share = np.where(np.any(asked, axis=1, keepdims=True), share, 1.0)
    gates: FloatArray = np.column_stack([np.ones(rows), share]).astype(np.float32)
    return gates


def fit_attention(
    members: Sequence[Evidence], prior: Prior, solve: Solve, *, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Return the arrays of `attention`, none where prompts tell nothing.

    Each user's taste is inferred from the first half of their comparisons without attention;
    attention is fitted to the second halves, and stopped and judged on the second halves of
    held-out users.

    Args:
        members: Each user's comparisons in attribute space, with prompts.
        prior: Of the users' tastes.
        solve: Returns their posteriors.
        rng: Draws the held-out users and the batches.
    """
    told = [each for each in members if len(each) >= 4]
    if len(told) < 8:
        return {}
    later, tastes = _second_halves(told, prior, solve)
    prompt, rows = later.prompt, later.chosen - later.rejected
    if prompt is None:
        return {}
    parts = rows * tastes  # (N, 1+K): what each attribute adds to the logit
    state = _read_prompts(prompt)
    owner = np.repeat(np.arange(len(told)), [len(each) - len(each) // 2 for each in told])
    judged = np.isin(owner, rng.permutation(len(told))[: max(2, round(_HELD_OUT * len(told)))])
    read = np.column_stack(
        [(prompt - state["gate_centre"]) @ state["gate_axes"], np.ones(len(rows))]
    )
    batch = _Batch(read, parts, later.weight, later.target)
    start = {"weights": np.zeros((read.shape[1], parts.shape[1] - 1), np.float32)}
    trained = train(
        start,
        batch.only(~judged).loss,
        items=int((~judged).sum()),
        schedule=_SCHEDULE,
        rng=rng,
        held_out_loss=lambda at: float(batch.only(judged).loss(at, np.arange(int(judged.sum())))),
    )
    weights = trained.parameters["weights"]
    state |= {"gate_weights": weights, "gate_mean": softmax(read @ weights).mean(0)}
    state = {name: np.ascontiguousarray(value, np.float32) for name, value in state.items()}
    return state if _helps(state, later, parts, owner, judged) else {}


class _Batch:
    """Comparisons as the loss of attention reads them.

    Args:
        read: ``(N, G+1)`` prompts on their axes, and 1.
        parts: ``(N, 1+K)`` what each attribute adds to the logit.
        weight: ``(N,)``.
        target: ``(N,)``.
    """

    def __init__(
        self, read: FloatArray, parts: FloatArray, weight: FloatArray, target: FloatArray
    ) -> None:
        self._arrays = [np.asarray(each, np.float32) for each in (read, parts, weight, target)]

    def only(self, rows: np.ndarray) -> _Batch:
        """Return the chosen rows."""
        return _Batch(*(each[rows] for each in self._arrays))

    def loss(self, at: Tensors, rows: IntArray) -> Tensor:
        """Return the mean loss of some rows; the average attention is that of these rows."""
        import torch

        read, parts, weight, target = (torch.from_numpy(each[rows]) for each in self._arrays)
        share = torch.softmax(read @ at["weights"], 1)
        gate = share / share.mean(0, keepdim=True)
        logit = parts[:, 0] + (gate * parts[:, 1:]).sum(1)
        loss = torch.nn.functional.softplus(logit) - target * logit
        return (weight * loss).sum() / weight.sum().clamp_min(1e-9)


def _second_halves(
    told: Sequence[Evidence], prior: Prior, solve: Solve
) -> tuple[Evidence, FloatArray]:
    """Return the later comparisons of all users, and each one's user's taste, ``(N, 1+K)``."""
    first = [each.take(range(len(each) // 2)) for each in told]
    second = [each.take(range(len(each) // 2, len(each))) for each in told]
    posteriors = solve(prior.population(), first)
    z = np.array([each.mean for each in posteriors], np.float64)
    tastes = prior.mean + z @ prior.root.T
    return Evidence.joined(second), np.repeat(tastes, [len(each) for each in second], axis=0)


def _read_prompts(prompt: FloatArray) -> dict[str, FloatArray]:
    """Return centre ``(P,)`` and whitened leading axes ``(P, G)`` of the prompts."""
    centre = prompt.mean(0, dtype=np.float64)
    _, size, axes = np.linalg.svd(prompt - centre, full_matrices=False)
    kept = min(_AXES, int(np.count_nonzero(size > 1e-6 * max(float(size[0]), 1e-12))))
    scale = size[:kept] / np.sqrt(len(prompt))
    whitened = axes[:kept].T / np.maximum(scale, 1e-12)
    return {"gate_centre": centre.astype(np.float32), "gate_axes": whitened.astype(np.float32)}


def _helps(
    state: Arrays, later: Evidence, parts: FloatArray, owner: np.ndarray, judged: np.ndarray
) -> bool:
    """Whether held-out users gain more than two standard errors by attention."""
    gate = attention(state, later.prompt, len(parts))
    if gate is None:
        return False
    plain = later.weight * pair_loss(parts.sum(1), later.target)
    gain = (plain - later.weight * pair_loss((gate * parts).sum(1), later.target))[judged]
    _, user = np.unique(owner[judged], return_inverse=True)
    gains = np.bincount(user, gain) / np.bincount(user)
    error = float(gains.std(ddof=1) / np.sqrt(len(gains)))
    return float(gains.mean()) > max(2.0 * error, _LEAST_GAIN)

"""The training loss of batches of users, and the few-shot loss of held-out users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import FloatArray, IntArray
from persona_vpl.belief import Belief, believe, cubature, spread_points
from persona_vpl.network import Array, encode_pairs, flow, reward
from persona_vpl.objective import (
    annealing,
    divergence,
    flow_divergence,
    reconstruction,
    swap_guidance,
)
from persona_vpl.sampling import Contexts, Draw, as_tokens
from persona_vpl.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

SHOTS = (0, 1, 2, 4, 8, 16)
"""Sizes of the contexts that held-out users are predicted from."""

_TARGETS = 16  # comparisons predicted from one context
_NOISES = 4  # points on either side that the held-out loss averages over


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The comparisons to train on.

    Args:
        chosen: ``(N, R)`` in scaled principal axes.
        rejected: ``(N, R)``.
        pooled: ``(N,)`` logit of each under the pooled reward.
        weight: ``(N,)``.
        target: ``(N,)``.
        user: ``(N,)`` numbered without gaps.
    """

    chosen: FloatArray
    rejected: FloatArray
    pooled: FloatArray
    weight: FloatArray
    target: FloatArray
    user: IntArray


class Elbo:
    """Losses over users' own contexts and targets.

    ``mean weight · loss(pooled + r(chosen, z) - r(rejected, z)) + β · annealed · KL
    + γ · guidance``, ``z`` one draw for each target.
    """

    def __init__(self, rows: Rows, settings: Settings, rng: np.random.Generator) -> None:
        self._rows, self._settings, self._rng = rows, settings, rng
        self.contexts = Contexts(rows.user, context=settings.context, target=_TARGETS)
        self._steps = 0

    def loss(self, parameters: Mapping[str, Tensor], users: IntArray) -> Tensor:
        """Return the loss of contexts of random sizes of these users, one each."""
        settings, rng = self._settings, self._rng
        self._steps += 1
        sizes = rng.integers(0, settings.context + 1, len(users))
        draw = self.contexts.draw(users, sizes, rng)
        swaps = settings.flows > 0 or settings.guidance > 0.0
        belief, swapped = self.beliefs(parameters, draw, swaps=swaps)
        noise = _tensor(rng.normal(size=(*draw.target.shape, settings.latent)))  # (U, T, k)
        base = belief.mean[:, None] + (0.5 * belief.log_variance).exp()[:, None] * noise
        moved, log_determinant = flow(
            parameters, base, belief.pulls[:, None], belief.commons[:, None]
        )
        logits, weight, target = self._predict(parameters, draw, moved)
        fit = (weight * reconstruction(logits, target)).sum() / weight.sum().clamp(min=1e-12)
        share = annealing(self._steps, 0.5 * settings.steps)
        if settings.flows:
            mean, spread = belief.mean[:, None], belief.log_variance[:, None]
            kl = flow_divergence(mean, spread, base, moved, log_determinant).mean()
        else:
            kl = divergence(belief.mean, belief.log_variance).mean()
        total = fit + settings.divergence_weight * share * kl
        if settings.guidance > 0.0 and swapped is not None:
            known = _tensor(sizes > 0)
            penalty = swap_guidance(
                belief.mean, belief.log_variance, swapped.mean, swapped.log_variance
            )
            total = total + settings.guidance * (known * penalty).mean()
        found: Tensor = total
        return found

    def held_out_draws(self, users: IntArray, rng: np.random.Generator) -> list[Draw]:
        """Return one draw for each size of `SHOTS` that a context may have."""
        sizes = [size for size in SHOTS if size <= self._settings.context]
        return [self.contexts.draw(users, np.full(len(users), size), rng) for size in sizes]

    def held_out_loss(
        self, parameters: Mapping[str, Tensor], draws: list[Draw], *, spread: float = 1.0
    ) -> float:
        """Return the mean over users and sizes of the loss of the integrated probability."""
        points = cubature(self._settings.latent)
        half = len(points) // 2
        some = np.linspace(0, half - 1, _NOISES).astype(int)
        noise = _tensor(points[np.concatenate([some, some + half])])  # (S, k)
        losses = []
        for draw in draws:
            belief, _ = self.beliefs(parameters, draw, swaps=self._settings.flows > 0)
            z = spread_points(parameters, belief, spread * noise.expand(len(draw.target), -1, -1))
            logits, weight, target = self._predict(parameters, draw, z[:, None])  # (U, T, S)
            mean, variance = logits.mean(-1), logits.var(-1, unbiased=False)
            damped = mean / (1.0 + np.pi / 8.0 * variance).sqrt()
            loss = (weight * reconstruction(damped, target)).sum(-1)
            seen = weight.sum(-1)
            losses.append((loss[seen > 0] / seen[seen > 0]).mean())
        return float(np.nanmean([float(each) for each in losses]))

    def beliefs(
        self, parameters: Mapping[str, Tensor], draw: Draw, *, swaps: bool
    ) -> tuple[Belief, Belief | None]:
        """Return the beliefs after the draw's contexts, and after the same with labels swapped."""
        rows, at = self._rows, draw.context
        strength = rows.weight[at] * draw.in_context
        chosen, rejected, weight = (
            _tensor(each)
            for each in as_tokens(rows.chosen[at], rows.rejected[at], strength, rows.target[at])
        )
        aggregation = self._settings.aggregation
        pairs = encode_pairs(parameters, chosen, rejected)
        if not swaps:
            return believe(parameters, pairs, None, weight, aggregation=aggregation), None
        turned = encode_pairs(parameters, rejected, chosen)
        return (
            believe(parameters, pairs, turned, weight, aggregation=aggregation),
            believe(parameters, turned.detach(), pairs.detach(), weight, aggregation=aggregation),
        )

    def _predict(
        self, parameters: Mapping[str, Tensor], draw: Draw, z: Array
    ) -> tuple[Array, Array, Array]:
        """Return logits ``(U, T[, S])`` of the targets, their weights and their targets."""
        rows, at = self._rows, draw.target
        chosen, rejected = _tensor(rows.chosen[at]), _tensor(rows.rejected[at])
        pooled = _tensor(rows.pooled[at])
        if z.ndim == 4:
            chosen, rejected, pooled = chosen[:, :, None], rejected[:, :, None], pooled[..., None]
        logits = pooled + reward(parameters, chosen, z) - reward(parameters, rejected, z)
        return logits, _tensor(rows.weight[at] * draw.in_target), _tensor(rows.target[at])


def _tensor(values: NDArray[Any]) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))

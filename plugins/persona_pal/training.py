"""Learns the preference space of PAL: projector, prototypes and every training user's weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import Schedule, Trained, train
from persona_engine.modelling.table import Table
from persona_engine.types import FloatArray, IntArray
from persona_pal.geometry import Metric
from persona_pal.network import first_weights, network_in_torch

if TYPE_CHECKING:
    from torch import Tensor

Arrays = Mapping[str, NDArray[Any]]

STEPS = 600
_BATCH = 2048
_RATE = 1e-2
_RIDGE = 10.0  # penalty of the projectors, in units of comparisons
_FIRST_SCALE = {"dist": 1.0, "angle": 5.0}
_LARGEST_SCALE = 100.0


@dataclass(frozen=True, slots=True)
class Design:
    """What is fixed before training.

    Args:
        metric: Distance or angle.
        prototypes: How many, ``K``.
        width: Dimensions of the preference space, ``d``.
        hidden: Widths of the projectors' hidden layers.
    """

    metric: Metric
    prototypes: int
    width: int
    hidden: tuple[int, ...]


def first_parameters(
    table: Table, design: Design, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Return where training begins: random projectors, prototypes of length 1, uncertain users."""
    widths = (table.responses.shape[1], *design.hidden, design.width)
    k = design.prototypes
    points = rng.normal(size=(k, design.width))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    result = first_weights("f", widths, rng)
    if table.prompt is None:
        result["prototypes"] = points.astype(np.float32)
    else:
        inside = (table.prompt.shape[1], *design.hidden, design.width)
        result |= first_weights("g", inside, rng, heads=k)
        last = len(inside) - 2
        result[f"g{last}_weight"] *= np.float32(0.1)
        result[f"g{last}_bias"] = points[:, None].astype(np.float32)
    result["users"] = rng.normal(size=(table.users, k)).astype(np.float32)
    result["log_scale"] = np.full(1, np.log(_FIRST_SCALE[design.metric]), np.float32)
    return result


def learn(
    table: Table,
    design: Design,
    *,
    rng: np.random.Generator,
    until: int = 0,
    held_out_loss: Callable[[Arrays], float] | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Trained:
    """Minimise the comparisons' mean loss and the users' prior ``|v_u|²/2`` jointly by Adam.

    Args:
        table: The comparisons.
        design: What to learn.
        rng: Draws the first parameters and the batches.
        until: Step to end at; 0 for the last, or when ``held_out_loss`` no longer falls.
        held_out_loss: Loss of users whom the table leaves out.
        report: Called with the number of steps done and of all.
    """
    import torch

    responses = torch.from_numpy(table.responses)
    weight, target = torch.from_numpy(table.weight), torch.from_numpy(table.target)
    prompt = None if table.prompt is None else torch.from_numpy(table.prompt)
    total = max(float(table.weight.sum(dtype=np.float64)), 1e-12)
    mean_weight = total / max(len(table.chosen), 1)

    def loss(at: Mapping[str, Tensor], rows: IntArray) -> Tensor:
        used, place = np.unique(
            np.concatenate([table.chosen[rows], table.rejected[rows]]), return_inverse=True
        )
        x = network_in_torch(at, "f", responses[torch.from_numpy(used)])
        chosen, rejected = x[torch.from_numpy(place)].tensor_split(2)
        index = torch.from_numpy(rows)
        share = torch.softmax(at["users"][torch.from_numpy(table.user[rows])], -1)  # (b, K)
        u = _ideal_points(at, share, None if prompt is None else prompt[index])  # (b, d)
        logits = _margin(design.metric, at["log_scale"], u, chosen, rejected)
        fit = torch.nn.functional.softplus(logits) - target[index] * logits
        stiff = sum(value.square().sum() for key, value in at.items() if key.endswith("_weight"))
        penalty = 0.5 * (at["users"].square().sum() + _RIDGE * stiff) / total
        return (weight[index] * fit).mean() / mean_weight + penalty

    return train(
        first_parameters(table, design, rng),
        loss,
        items=len(table.chosen),
        schedule=Schedule(
            STEPS, _RATE, batch=_BATCH, every=25, patience=4, rates={"users": 5.0}, until=until
        ),
        rng=rng,
        held_out_loss=None
        if held_out_loss is None
        else lambda at: held_out_loss({key: value.numpy() for key, value in at.items()}),
        report=report,
    )


def _ideal_points(at: Mapping[str, Tensor], share: Tensor, prompt: Tensor | None) -> Tensor:
    if prompt is None:
        return share @ at["prototypes"]
    import torch

    return torch.einsum("bk,kbd->bd", share, network_in_torch(at, "g", prompt))


def _margin(
    metric: Metric, log_scale: Tensor, u: Tensor, chosen: Tensor, rejected: Tensor
) -> Tensor:
    """Return the logits ``(b,)`` as `persona_pal.geometry.reward` has them."""
    import torch

    scale = log_scale.exp().clamp(max=_LARGEST_SCALE)
    if metric == "dist":
        far, near = (rejected - u).square().sum(-1), (chosen - u).square().sum(-1)
        return scale * ((far + 1e-12).sqrt() - (near + 1e-12).sqrt())
    cosine = torch.nn.functional.cosine_similarity
    return scale * (cosine(chosen, u, dim=-1) - cosine(rejected, u, dim=-1))

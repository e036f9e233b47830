"""Learns the preference embedding, the prompt's gates and every training user's block weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import Doubles, Schedule, Trained, train
from persona_engine.modelling.gauss_newton import Answers, LogitsOf, rows_of_users
from persona_engine.modelling.table import Table
from persona_engine.types import FloatArray, IntArray
from persona_gpm.blocks import block_scores, gates_of

if TYPE_CHECKING:
    from torch import Tensor

Arrays = Mapping[str, NDArray[Any]]

STEPS = 600
_BATCH = 2048
_RATE = 5e-3
_FIRST = 0.3  # deviation of the first embeddings; their constant is 1


def learn(
    table: Table,
    blocks: int,
    *,
    personal: bool,
    rng: np.random.Generator,
    until: int = 0,
    held_out_loss: Callable[[Arrays], float] | None = None,
) -> Trained:
    """Minimise the comparisons' mean loss and the users' prior ``|λ_u - 1|²/2`` jointly by Adam.

    Args:
        table: The comparisons.
        blocks: How many, ``K``.
        personal: Whether users have block weights of their own.
        rng: Draws the first parameters and the batches.
        until: Step to end at; 0 for the last, or when ``held_out_loss`` no longer falls.
        held_out_loss: Loss of users whom the table leaves out.
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
        v = responses[torch.from_numpy(used)] @ at["embedding"] + at["constant"]
        a, b = v[torch.from_numpy(place)].tensor_split(2)  # (b, 2K)
        scores = a[:, 0::2] * b[:, 1::2] - a[:, 1::2] * b[:, 0::2]  # (b, K)
        index = torch.from_numpy(rows)
        if prompt is not None:
            scores = scores * blocks * torch.softmax(prompt[index] @ at["head"], -1)
        if personal:
            scores = scores * at["users"][torch.from_numpy(table.user[rows])]
        logits = scores.sum(-1)
        fit = torch.nn.functional.softplus(logits) - target[index] * logits
        penalty = 0.5 * (at["users"] - 1.0).square().sum() / total if personal else 0.0
        return (weight[index] * fit).mean() / mean_weight + penalty

    return train(
        _first_parameters(table, blocks, personal, rng),
        loss,
        items=len(table.chosen),
        schedule=Schedule(
            STEPS, _RATE, batch=_BATCH, every=25, patience=4, rates={"users": 10.0}, until=until
        ),
        rng=rng,
        held_out_loss=None
        if held_out_loss is None
        else lambda at: held_out_loss({key: value.numpy() for key, value in at.items()}),
    )


def _first_parameters(
    table: Table, blocks: int, personal: bool, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Return where training begins: nearly Bradley–Terry, each block with another direction."""
    size = max(float(np.sqrt(table.responses.var(0).sum())), 1e-12)
    shape = (table.responses.shape[1], 2 * blocks)
    result = {
        "embedding": (_FIRST / size * rng.normal(size=shape)).astype(np.float32),
        "constant": np.tile(np.array([1.0, 0.0], np.float32), blocks),
    }
    if table.prompt is not None:
        result["head"] = (0.1 * rng.normal(size=(table.prompt.shape[1], blocks))).astype(np.float32)
    if personal:
        result["users"] = (1.0 + 0.5 * rng.normal(size=(table.users, blocks))).astype(np.float32)
    return result


@dataclass(frozen=True, slots=True)
class Voters:
    """Some users' comparisons as block scores.

    Args:
        rows: ``(U, n, K)`` gated scores of the chosen response over the other.
        weight: ``(U, n)`` strengths, 0 where padded.
        target: ``(U, n)`` shares of the preferences that go to the chosen responses.
    """

    rows: Doubles
    weight: Doubles
    target: Doubles

    def answers(self, begin: int, end: int) -> Answers:
        """Return the comparisons ``begin … end`` of each user."""
        cut = slice(begin, end)
        return Answers(linear(self.rows[:, cut]), self.weight[:, cut], self.target[:, cut])

    def scaled(self, factor: float) -> Voters:
        """Return them with all logits so many times as large."""
        return Voters(self.rows * factor, self.weight, self.target)


def voters_of(table: Table, parameters: Arrays, *, most: int) -> Voters:
    """Return the first comparisons of each user of a table under trained parameters."""
    rows, present = rows_of_users(table.user, most=most)
    used, place = np.unique(
        np.concatenate([table.chosen[rows], table.rejected[rows]]), return_inverse=True
    )
    v = table.responses[used] @ parameters["embedding"] + parameters["constant"]
    chosen, rejected = place.reshape(2, *rows.shape)
    scores = block_scores(v[chosen], v[rejected])
    if table.prompt is not None:
        scores = scores * gates_of(table.prompt[rows], parameters["head"])
    return Voters(scores, present * table.weight[rows], table.target[rows].astype(np.float64))


def linear(rows: Doubles) -> LogitsOf:
    """Return logits ``rows · λ`` of block scores ``(U, n, K)``, as a function of ``λ (U, K)``."""
    return lambda weights: ((rows @ weights[..., None])[..., 0], rows)

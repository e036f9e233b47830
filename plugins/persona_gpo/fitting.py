"""Fits a population: the token space, then the network, then whether it is worth having."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from persona_engine.interfaces import Progress
from persona_engine.modelling import Schedule
from persona_engine.types import FloatArray, IntArray, Population, PreferenceData
from persona_gpo.episodes import Rows
from persona_gpo.network import Parameters
from persona_gpo.tokens import TokenSpace, token_space
from persona_gpo.training import fit_network, start

_REFERENCES = 32  # pairs by which users are compared
_LEAST_USERS = 8  # with two comparisons each


@dataclass(frozen=True, slots=True)
class Architecture:
    """The size of the network: width, transformer layers, heads, coordinates beside the pooled."""

    width: int
    layers: int
    heads: int
    directions: int


def fit_population(
    data: PreferenceData,
    *,
    name: str,
    architecture: Architecture,
    schedule: Schedule,
    keep: float,
    rng: np.random.Generator,
    progress: Progress,
) -> Population:
    """Return the population; see `persona_gpo.GroupPreferenceOptimisation.fit`."""
    space = token_space(data, directions=architecture.directions, keep=keep, rng=rng)
    rows = _rows(data, space)
    tastes = np.where(np.arange(len(space.scale)) > 0, space.scale, 0.0).astype(np.float32)
    begin = start(
        tastes,
        width=architecture.width,
        layers=architecture.layers,
        heads=architecture.heads,
        rng=rng,
    )
    network, meta = _trained(
        rows,
        begin,
        scale=tastes,
        heads=architecture.heads,
        schedule=schedule,
        rng=rng,
        progress=progress,
    )
    pairs = rng.choice(len(rows.chosen), min(_REFERENCES, len(rows.chosen)), replace=False)
    return Population(
        reward_model=name,
        fingerprint=data.fingerprint,
        arrays={
            "projection": space.projection,
            "centre": space.centre,
            "scale": space.scale,
            "shared_factor": space.shared_factor,
            "references": np.stack([rows.chosen[pairs], rows.rejected[pairs]]),
            **{f"network.{key}": value for key, value in network.items()},
        },
        meta={
            "heads": architecture.heads,
            "ridge": space.ridge,
            "held_out_nll_pooled": space.held_out_nll,
            "users": len(data.users),
            "comparisons": len(data),
            **meta,
        },
    )


def _trained(
    rows: Rows,
    begin: Parameters,
    *,
    scale: FloatArray,
    heads: int,
    schedule: Schedule,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[Parameters, dict[str, object]]:
    """Return the network, or one that adds nothing where it predicts held-out users no better."""
    silent = {**begin, **{name: np.zeros_like(begin[name]) for name in ("spread", "head.1.weight")}}
    if len(rows.of_user) < _LEAST_USERS:
        return silent, {"personal": False, "steps": 0}
    fitted = fit_network(
        rows, begin, scale=scale, heads=heads, schedule=schedule, rng=rng, progress=progress
    )
    meta: dict[str, object] = {
        "personal": fitted.is_better,
        "steps": fitted.trained.steps,
        "few_shot_nll": fitted.trained.held_out_loss,
        "few_shot_nll_pooled": fitted.pooled_loss,
    }
    return (fitted.trained.parameters if fitted.is_better else silent), meta


def _rows(data: PreferenceData, space: TokenSpace) -> Rows:
    sides = np.concatenate([data.chosen, data.rejected])
    tokens = (sides - space.centre) @ space.projection
    chosen, rejected = np.split(tokens, 2)
    doubt = (data.chosen - data.rejected) @ space.shared_factor
    return Rows(
        chosen=chosen,
        rejected=rejected,
        logit=(chosen[:, 0] - rejected[:, 0]) * space.scale[0],
        doubt=np.square(doubt).sum(1),
        weight=data.weight,
        target=data.target,
        response=_numbered(tokens).reshape(2, -1).T,
        of_user=_rows_of_users(data.user, data.weight),
    )


def _numbered(tokens: FloatArray) -> IntArray:
    """Return a number for each row, equal for equal rows."""
    rounded = np.ascontiguousarray(tokens.round(4) + 0.0)
    as_bytes = rounded.view(np.dtype((np.void, rounded.dtype.itemsize * rounded.shape[1])))
    _, number = np.unique(as_bytes.ravel(), return_inverse=True)
    return number.reshape(-1).astype(np.int64)


def _rows_of_users(user: IntArray, weight: FloatArray) -> list[IntArray]:
    """Return the rows of positive weight of each user who has two at least."""
    known = np.flatnonzero(weight > 0)
    order = known[np.argsort(user[known], kind="stable")]
    _, begin = np.unique(user[order], return_index=True)
    return [rows for rows in np.split(order, begin[1:]) if len(rows) >= 2]

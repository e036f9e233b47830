"""Where training begins: heads of groups of users, or of kinds of prompts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import (
    Differences,
    Doubles,
    FittedGroups,
    crowd_of,
    fit_groups,
    k_means,
    responsibilities,
)
from persona_engine.types import FloatArray, PreferenceData
from persona_micro.training import Routed

_AXES = 32  # of prompts
_KINDS = 64  # of prompts, most
_RESTARTS = 3


@dataclass(frozen=True, slots=True)
class Prompts:
    """Prompts reduced to their leading axes.

    Args:
        centre: ``(P,)`` mean prompt.
        axes: ``(P, Q)`` maps centred prompts to axes of at most unit variance.
        reduced: ``(N, Q)`` the prompts of the data.
    """

    centre: FloatArray
    axes: FloatArray
    reduced: FloatArray


def reduce_prompts(data: PreferenceData) -> Prompts:
    """Return the prompts on their leading axes; none where they are absent or all the same."""
    if data.prompt is None:
        empty = np.zeros((0, 0), np.float32)
        return Prompts(np.zeros(0, np.float32), empty, np.zeros((len(data), 0), np.float32))
    centre: Doubles = data.prompt.mean(0, dtype=np.float64)
    apart = data.prompt - centre
    values, vectors = np.linalg.eigh(apart.T @ apart / len(data))
    values, vectors = values[::-1][:_AXES], vectors[:, ::-1][:, :_AXES]
    kept = values > 1e-6 * max(float(values[0]), 1e-12)
    # Small axes are not blown up to the size of the large ones: they are mostly noise.
    axes = vectors[:, kept] / np.sqrt(values[kept] + 0.1 * values[0])
    return Prompts(
        centre.astype(np.float32), axes.astype(np.float32), (apart @ axes).astype(np.float32)
    )


def starts_of(
    differences: Differences,
    prompts: Prompts,
    seen: NDArray[np.bool_],
    *,
    shared: Doubles,
    size: int,
    ridge: float,
    seed: int,
) -> list[Routed]:
    """Return heads of ``size`` groups of users and, with prompts, of kinds of prompts."""
    width, rng = prompts.reduced.shape[1], np.random.default_rng(seed)
    users = fit_groups(
        crowd_of(differences, seen), shared, size, ridge=ridge, restarts=_RESTARTS, rng=rng
    )
    starts = [_routed(users, np.zeros((width, size)))]
    kinds = min(_KINDS, int(seen.sum()) // 20)
    if width and kinds >= 2 * size:
        kind = k_means(prompts.reduced.astype(np.float64), kinds, rng=rng)
        crowd = crowd_of(replace(differences, user=kind), seen)
        fitted = fit_groups(crowd, shared, size, ridge=ridge, restarts=_RESTARTS, rng=rng)
        share = responsibilities(fitted.groups.log_joint(crowd))  # (kinds, K)
        starts.append(
            _routed(fitted, _router(prompts.reduced[seen], kind[seen], crowd.users, share))
        )
    return starts


def _routed(fitted: FittedGroups, router: Doubles) -> Routed:
    return Routed(
        fitted.groups.heads.astype(np.float32),
        router.astype(np.float32),
        np.log(fitted.groups.prior).astype(np.float32),
    )


def _router(
    reduced: FloatArray, kind: NDArray[np.int64], kinds: NDArray[np.int64], share: Doubles
) -> Doubles:
    """Return weights ``(Q, K)`` that give each prompt about the heads of its kind, by ridge."""
    known = np.isin(kind, kinds)
    logs = np.log(share + 0.05)[np.searchsorted(kinds, kind[known])]  # (N, K)
    wanted = logs - logs.mean(0)
    features = reduced[known].astype(np.float64)
    gram = features.T @ features + np.eye(features.shape[1])
    weights: Doubles = np.linalg.solve(gram, features.T @ wanted)
    return weights

"""Fits what all users share and how they differ, and writes it as a population."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.interfaces import Progress
from persona_engine.modelling import (
    Differences,
    choose_ridge,
    fit_ridge,
    folds_of_users,
    laplace_covariance,
    principal_differences,
)
from persona_engine.types import FloatArray, Population, PreferenceData
from persona_hierarchical.few_shot import Scales
from persona_hierarchical.gains import gain_of
from persona_hierarchical.hierarchy import Basis, agreement_of, sample_of
from persona_hierarchical.lower_bound import Doubles
from persona_hierarchical.recall import key_axes
from persona_hierarchical.selection import (
    NOTHING_PERSONAL,
    RIDGES,
    Choice,
    choose,
    fit_penalised,
)
from persona_hierarchical.smooth import recurring
from persona_hierarchical.smooth_population import smooth_arrays
from persona_hierarchical.smooth_selection import choose_smooth

_POOLED_FOLDS = 5  # as bradley_terry does, whose population rank 0 must equal
_FEWEST_USERS = 8  # fewer unseen users than this can't tell a gain from noise


def fit_population(
    data: PreferenceData,
    *,
    name: str,
    folds: int,
    max_rank: int,
    keep: float,
    rng: np.random.Generator,
    progress: Progress,
) -> Population:
    """Choose the settings on held-out users, fit on everybody, and return the population."""
    differences = principal_differences(data, keep=keep)
    users = len(data.users)
    pooled_parts = folds_of_users(data.user, count=_POOLED_FOLDS, rng=rng)
    parts = folds_of_users(data.user, count=folds, rng=rng)
    total = len(pooled_parts) + len(parts) + 1
    shared_ridge, losses = choose_ridge(
        differences, pooled_parts, lambda done: progress(name, done, total)
    )
    shared = fit_ridge(differences, differences.weight, shared_ridge)
    limit = min(max_rank, users // 4, len(shared)) if users >= _FEWEST_USERS else 0
    axes = key_axes(_inverse_scale(differences))
    keys = np.stack([data.chosen @ axes, data.rejected @ axes], 1)
    choice = _choose(
        differences,
        parts,
        shared_ridge,
        keys=keys,
        limit=limit,
        report=lambda done: progress(name, len(pooled_parts) + done, total),
    )
    form = _smooth_form(data, differences, parts, choice, shared_ridge, keys=keys)
    if form is None:
        basis = _fit(differences, shared, shared_ridge, choice, limit)
        form = _arrays(differences, basis, choice, shared, shared_ridge), _linear_meta(choice)
    arrays, meta = form
    progress(name, total, total)
    return Population(
        reward_model=name,
        fingerprint=data.fingerprint,
        arrays=arrays,
        meta={
            **meta,
            "shared_ridge": shared_ridge,
            "held_out_pooled_nll": float(losses.min()),
            "axes": len(shared),
            "users": users,
            "comparisons": len(data),
        },
    )


def _choose(
    differences: Differences,
    folds: Sequence[NDArray[np.bool_]],
    shared_ridge: float,
    *,
    limit: int,
    keys: FloatArray,
    report: Callable[[int], None],
) -> Choice:
    if limit < 1:
        return NOTHING_PERSONAL
    return choose(
        differences, folds, shared_ridge=shared_ridge, max_rank=limit, keys=keys, report=report
    )


def _smooth_form(
    data: PreferenceData,
    differences: Differences,
    folds: Sequence[NDArray[np.bool_]],
    linear: Choice,
    shared_ridge: float,
    *,
    keys: FloatArray,
) -> tuple[dict[str, FloatArray], dict[str, Any]] | None:
    """Return arrays and figures of the smooth form, None where the linear one is as good."""
    comparisons = recurring(data, differences) if len(linear.losses) else None
    if comparisons is None:
        return None
    choice = choose_smooth(
        *(differences, comparisons, folds),
        shared_ridge=shared_ridge,
        keys=keys,
        linear=linear.losses,
    )
    if choice is None:
        return None
    gain = gain_of(linear.losses, choice.losses)
    meta = {
        "form": "smooth",
        "rank": int(choice.personal),
        "ridge": choice.ridge,
        **asdict(choice.scales),
        "held_out_gain": gain.mean,
        "held_out_gain_error": gain.error,
    }
    return smooth_arrays(differences, comparisons, choice), meta


def _linear_meta(choice: Choice) -> dict[str, Any]:
    return {
        "form": "linear",
        "rank": choice.rank,
        "ridge": choice.ridge,
        **asdict(choice.scales),
        "held_out_gain": choice.gain,
        "held_out_gain_error": choice.gain_error,
    }


def _fit(
    differences: Differences, shared: Doubles, shared_ridge: float, choice: Choice, limit: int
) -> Basis:
    """Fit as the selection did: penalty after penalty; the chosen latent axes are kept."""
    if choice.rank == 0:
        return Basis(shared, np.zeros((len(shared), 0)))
    sample = sample_of(differences, np.flatnonzero(differences.weight > 0))
    agreement = agreement_of(sample, shared)
    basis: Basis | None = None
    for ridge in RIDGES:
        if ridge >= choice.ridge:
            basis = fit_penalised(sample, agreement, shared_ridge, ridge, limit, start=basis)
    assert basis is not None  # the chosen penalty is one of them
    basis = basis.truncated(choice.rank)
    return basis.scaled(choice.scales.spread, shared=choice.scales.shared)


def _arrays(
    differences: Differences, basis: Basis, choice: Choice, pooled: Doubles, shared_ridge: float
) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Map the fit back to the raw features, ``D`` wide."""
    covariance, inflation = laplace_covariance(differences, pooled, shared_ridge)
    scales = choice.scales if choice.rank else Scales()
    factor = scales.shared * np.linalg.cholesky(inflation * covariance)  # (R, R)
    projection = np.column_stack([basis.shared, basis.basis])  # (R, 1+K)
    metric = projection.T @ (differences.moment[:, None] * projection)  # (1+K, 1+K)
    metric += 1e-6 * max(1e-6, float(np.trace(metric))) * np.eye(len(metric))
    arrays = {
        "projection": differences.axes @ projection,
        "shared_factor": differences.axes @ factor,
        "centre": differences.centre,
        "embedding": np.linalg.cholesky(metric).T,
        "width": np.array([scales.width]),
    }
    if scales.recall:
        arrays["recall"] = np.array([scales.recall])
        arrays["key"] = key_axes(_inverse_scale(differences))
    return {key: np.ascontiguousarray(value, np.float32) for key, value in arrays.items()}


def _inverse_scale(differences: Differences) -> Doubles:
    """Return 1 / root mean square of each feature's difference, ``(D,)``."""
    scale: Doubles = np.sqrt(np.square(differences.axes) @ differences.moment)
    return scale

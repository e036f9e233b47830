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
from persona_hierarchical.hierarchy import Basis, Sample, agreement_of, sample_of
from persona_hierarchical.influence import curvature_arrays, embedding_of
from persona_hierarchical.lower_bound import Doubles
from persona_hierarchical.recall import key_axes
from persona_hierarchical.selection import (
    NOTHING_PERSONAL,
    RIDGES,
    Choice,
    choose,
    fit_penalised,
    joint_ridge,
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
        form = _linear_form(differences, choice, shared, shared_ridge, limit=limit)
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


def _linear_form(
    differences: Differences, choice: Choice, pooled: Doubles, shared_ridge: float, *, limit: int
) -> tuple[dict[str, FloatArray], dict[str, Any]]:
    """Return arrays and figures of tastes, with what forgetting a user takes."""
    covariance, inflation = laplace_covariance(differences, pooled, shared_ridge)
    root: Doubles = np.linalg.cholesky(inflation * covariance).astype(np.float64)  # (R, R)
    if choice.rank == 0:
        arrays = _arrays(differences, Basis(pooled, np.zeros((len(pooled), 0))), Scales(), root)
    else:
        sample = sample_of(differences, np.flatnonzero(differences.weight > 0))
        basis = _fit(sample, pooled, shared_ridge, choice, limit)
        scaled = basis.scaled(choice.scales.spread, shared=choice.scales.shared)
        ridges = np.full(1 + choice.rank, choice.ridge)
        ridges[0] = joint_ridge(shared_ridge, choice.ridge)
        arrays = {
            **_arrays(differences, scaled, choice.scales, root),
            **curvature_arrays(sample, basis, ridges),
            "axes": differences.axes,
            "moment": differences.moment,
        }
    singles = {key: np.ascontiguousarray(value, np.float32) for key, value in arrays.items()}
    return singles, {**_linear_meta(choice), "spread_inflation": inflation}


def _linear_meta(choice: Choice) -> dict[str, Any]:
    return {
        "form": "linear",
        "rank": choice.rank,
        "ridge": choice.ridge,
        **asdict(choice.scales),
        "held_out_gain": choice.gain,
        "held_out_gain_error": choice.gain_error,
    }


def _fit(sample: Sample, pooled: Doubles, shared_ridge: float, choice: Choice, limit: int) -> Basis:
    """Fit as the selection did: penalty after penalty; the chosen latent axes are kept."""
    agreement = agreement_of(sample, pooled)
    basis: Basis | None = None
    for ridge in RIDGES:
        if ridge >= choice.ridge:
            basis = fit_penalised(sample, agreement, shared_ridge, ridge, limit, start=basis)
    assert basis is not None  # the chosen penalty is one of them
    return basis.truncated(choice.rank)


def _arrays(
    differences: Differences, basis: Basis, scales: Scales, root: Doubles
) -> dict[str, Doubles]:
    """Map the fit back to the raw features, ``D`` wide."""
    projection = np.column_stack([basis.shared, basis.basis])  # (R, 1+K)
    arrays = {
        "projection": differences.axes @ projection,
        "shared_factor": scales.shared * (differences.axes @ root),
        "centre": differences.centre.astype(np.float64),
        "embedding": embedding_of(projection, differences.moment),
        "width": np.array([scales.width]),
    }
    if scales.recall:
        arrays["recall"] = np.array([scales.recall])
        arrays["key"] = key_axes(_inverse_scale(differences)).astype(np.float64)
    return arrays


def _inverse_scale(differences: Differences) -> Doubles:
    """Return 1 / root mean square of each feature's difference, ``(D,)``."""
    scale: Doubles = np.sqrt(np.square(differences.axes) @ differences.moment)
    return scale

"""Fits a population: the pooled taste on features, and the factor on log-likelihood ratios."""

from __future__ import annotations

import numpy as np

from persona_engine.interfaces import Progress
from persona_engine.modelling import (
    choose_ridge,
    fit_ridge,
    folds_of_users,
    laplace_covariance,
    principal_differences,
)
from persona_engine.types import FloatArray, LogLikelihood, Population, PreferenceData
from persona_fspo.calibration import Strength, fit_strength, measure
from persona_fspo.gains import Gains

_AXES = 16  # of the embedding


def fit_population(
    data: PreferenceData,
    *,
    name: str,
    gains: Gains,
    strength: float | None,
    calibration_rows: int,
    log_likelihood: LogLikelihood | None,
    folds: int,
    keep: float,
    rng: np.random.Generator,
    progress: Progress,
) -> Population:
    """Return the population; see `persona_fspo.FewShotPreference.fit`."""
    differences = principal_differences(data, keep=keep)
    ridge, losses = choose_ridge(
        differences, folds_of_users(data.user, count=folds, rng=rng), lambda _: None
    )
    pooled = fit_ridge(differences, differences.weight, ridge)
    covariance, inflation = laplace_covariance(differences, pooled, ridge)
    found = (
        _calibrated(
            data,
            differences.rows @ pooled.astype(np.float32),
            gains,
            log_likelihood,
            rows=calibration_rows,
            rng=rng,
            progress=progress,
        )
        if strength is None
        else Strength(strength, 0.0, 0, 0.0)
    )
    factor = np.linalg.cholesky(inflation * covariance)
    count = min(_AXES, len(pooled))
    whitened = differences.axes[:, :count] / np.sqrt(differences.moment[:count])
    return Population(
        reward_model=name,
        fingerprint=data.fingerprint,
        arrays={
            "weights": (differences.axes @ pooled).astype(np.float32),
            "factor": (differences.axes @ factor).astype(np.float32),
            "centre": differences.centre,
            "axes": whitened.astype(np.float32),
            "strength": np.array([found.mean, found.variance], np.float32),
        },
        meta={
            "ridge": ridge,
            "held_out_nll_pooled": float(losses.min()),
            "strength": found.mean,
            "strength_rows": found.rows,
            "strength_gain": found.held_out_gain,
            "reference": gains.reference,
            "users": len(data.users),
            "comparisons": len(data),
        },
    )


def _calibrated(
    data: PreferenceData,
    offset: FloatArray,
    gains: Gains,
    log_likelihood: LogLikelihood | None,
    *,
    rows: int,
    rng: np.random.Generator,
    progress: Progress,
) -> Strength:
    if data.texts is None or log_likelihood is None:
        return Strength.none()
    sample = measure(
        data,
        offset,
        gains,
        log_likelihood,
        rows=rows,
        rng=rng,
        report=lambda done, total: progress("fspo", done, total),
    )
    return fit_strength(sample)

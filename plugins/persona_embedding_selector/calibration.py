"""The noisy-or of two logistic regressions: its coefficients, its file, its fit.

p = 1 − (1 − π)(1 − τ),  π = σ(u·f_general),  τ = σ(v·f_topical)

An instruction applies because it is general (π) or because it is about this request (τ): two
independent causes (Pearl 1988, "Probabilistic Reasoning in Intelligent Systems", 4.3.2). Which
cause was at work is not labelled, so the two regressions are fitted by EM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_embedding_selector.features import GENERAL_FEATURES, TOPICAL_FEATURES
from persona_engine.modelling import sigmoid
from persona_engine.scorers import read_scorer, write_scorer
from persona_engine.types import FloatArray

Values = NDArray[np.floating[Any]]
DATA = Path(__file__).parent / "data"
_ROUNDS = 200
_NEWTON_STEPS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Everything that was learned, for one feature space.

    Args:
        fingerprint: The sentence encoder of anchors and coefficients.
        general: Anchors that are general instructions, ``(A, E)``, unit length.
        topical: Anchors that are about some topic, ``(A', E)``, unit length.
        general_weights: ``u``, ``(4,)``.
        topical_weights: ``v``, ``(3,)``.
    """

    fingerprint: str
    general: FloatArray
    topical: FloatArray
    general_weights: Values
    topical_weights: Values


@lru_cache(maxsize=8)
def load_calibration(folder: Path = DATA) -> Calibration:
    """Read what `save_calibration` wrote; the shipped one by default.

    Raises:
        ArtefactError: A file is missing or damaged.
    """
    return read_scorer(
        _calibration,
        folder / "calibration.json",
        folder / "anchors.safetensors",
        train="tests/benchmarks/calibrate_embedding_selector.py",
    )


def _calibration(named: Mapping[str, Any], arrays: Mapping[str, FloatArray]) -> Calibration:
    return Calibration(
        fingerprint=str(named["fingerprint"]),
        general=arrays["general"],
        topical=arrays["topical"],
        general_weights=_weights(named["general"], GENERAL_FEATURES),
        topical_weights=_weights(named["topical"], TOPICAL_FEATURES),
    )


def save_calibration(calibration: Calibration, folder: Path) -> None:
    """Write coefficients as JSON and anchors as float16."""
    named = {
        "fingerprint": calibration.fingerprint,
        "general": _named(calibration.general_weights, GENERAL_FEATURES),
        "topical": _named(calibration.topical_weights, TOPICAL_FEATURES),
    }
    arrays = {
        "general": calibration.general.astype(np.float16),
        "topical": calibration.topical.astype(np.float16),
    }
    write_scorer(named, arrays, folder / "calibration.json", folder / "anchors.safetensors")


def probabilities(
    calibration: Calibration, general: Values, topical: Values
) -> tuple[Values, Values, Values]:
    """Return p, π and τ, each ``(I,)``, of features ``(I, 4)`` and ``(I, 3)``."""
    holds = sigmoid(general @ calibration.general_weights)
    fits = sigmoid(topical @ calibration.topical_weights)
    return holds + fits - holds * fits, holds, fits


def fit_noisy_or(
    general: Values,
    topical: Values,
    applies: Values,
    *,
    weight: Values,
    l2: float = 0.1,
) -> tuple[Values, Values]:
    """Return ``u`` and ``v`` by EM on ``n`` judged pairs.

    E step, for pairs that apply: each cause is at work with its probability over p. M step: two
    logistic regressions on these soft labels, by Newton's method.

    Args:
        general: Features ``(n, 4)``, a column of ones first.
        topical: Features ``(n, 3)``, a column of ones first.
        applies: 0 or 1, ``(n,)``.
        weight: Of each pair, ``(n,)``.
        l2: Penalty on all coefficients but the first.
    """
    u = np.array([-1.0, 5.0, *[0.0] * (general.shape[1] - 2)])
    v = np.array([-2.0, 5.0, *[0.0] * (topical.shape[1] - 2)])
    for _ in range(_ROUNDS):
        holds, fits = sigmoid(general @ u), sigmoid(topical @ v)
        either = holds + fits - holds * fits
        u = _newton(general, applies * holds / either, weight, u, l2)
        v = _newton(topical, applies * fits / either, weight, v, l2)
    return u, v


def _newton(features: Values, labels: Values, weight: Values, start: Values, l2: float) -> Values:
    """Return the penalised logistic regression on soft labels."""
    penalty = np.full(len(start), l2)
    penalty[0] = 1e-9
    at = start
    for _ in range(_NEWTON_STEPS):
        p = sigmoid(features @ at)
        slope = features.T @ (weight * (p - labels)) + penalty * at
        curvature = (features * (weight * p * (1 - p))[:, None]).T @ features + np.diag(penalty)
        at = at - np.linalg.solve(curvature, slope)
    return at


def _weights(described: dict[str, float], names: tuple[str, ...]) -> Values:
    return np.array([described[name] for name in names], np.float32)


def _named(weights: Values, names: tuple[str, ...]) -> dict[str, float]:
    return {name: round(float(w), 4) for name, w in zip(names, weights, strict=True)}

"""Forward passes of small scorers, in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import FloatArray

Values = NDArray[np.floating[Any]]
_LARGEST = 5.0  # standard deviations that a feature may be off


def unit(vectors: Values) -> FloatArray:
    """Return the last axis at length one; zeros stay.

    Examples:
        >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).round(3).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: FloatArray = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
    return scaled


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """Networks of one hidden layer beside a linear part, averaged and calibrated.

    z = (x − shift) · scale, each within ±5
    s = a · mean_m (V_m tanh(W_m z + b_m) + c_m + u_m z) + d

    a and d are Platt's slope and offset (Platt 1999, "Probabilistic outputs for support vector
    machines"). Averaging several steadies what little data can tell (Breiman 1996, "Bagging
    predictors"). Use it where features are few and meet in ways that no linear scorer sees.

    Args:
        shift: Subtracted from the ``F`` features, ``(F,)``.
        scale: Then multiplied with, ``(F,)``.
        inner: Weights and offsets of the hidden layers, ``(F, M·H)`` and ``(M·H,)``.
        outer: From them to the mean of the members' outputs, ``(M·H,)``.
        line: Mean of the linear parts, ``(F,)``, and of the offsets.
        platt: Slope and offset.
    """

    shift: FloatArray
    scale: FloatArray
    inner: tuple[FloatArray, FloatArray]
    outer: FloatArray
    line: tuple[FloatArray, float]
    platt: tuple[float, float]

    @classmethod
    def of(cls, arrays: Mapping[str, FloatArray], name: str) -> Networks:
        """Return the networks of arrays as they are trained and stored.

        Args:
            arrays: Of ``M`` members with ``H`` hidden units: ``name_shift`` and ``name_scale``
                ``(F,)``, ``name_in`` ``(M, F+1, H)``, ``name_out`` ``(M, H+1)``, ``name_line``
                ``(M, F)``, ``name_platt`` ``(2,)``.
            name: Which.

        Raises:
            KeyError: One of them is missing.
        """
        inner, outer = arrays[f"{name}_in"], arrays[f"{name}_out"]
        members, rows, hidden = inner.shape
        flat = inner.transpose(1, 0, 2).reshape(rows, members * hidden)
        slope, offset = arrays[f"{name}_platt"].tolist()
        return cls(
            shift=arrays[f"{name}_shift"],
            scale=arrays[f"{name}_scale"],
            inner=(np.ascontiguousarray(flat[:-1]), flat[-1].copy()),
            outer=(outer[:, :-1] / members).reshape(-1),
            line=(arrays[f"{name}_line"].mean(axis=0), float(outer[:, -1].mean())),
            platt=(slope, offset),
        )

    def log_odds(self, features: FloatArray) -> FloatArray:
        """Return the log odds ``(n,)`` of features ``(n, F)``."""
        return self.finish(*self.begin(features, slice(None)))

    def begin(self, features: FloatArray, columns: slice) -> tuple[FloatArray, FloatArray]:
        """Return what some columns add to the hidden layer, ``(n, M·H)``, and to the sum, ``(n,)``.

        What several passes share is worth computing once: the parts of all columns add up.

        Args:
            features: Those columns, ``(n, f)``.
            columns: Which of the ``F``.
        """
        x: FloatArray = (features - self.shift[columns]) * self.scale[columns]
        np.clip(x, -_LARGEST, _LARGEST, out=x)
        return x @ self.inner[0][columns], x @ self.line[0][columns]

    def finish(self, hidden: FloatArray, line: FloatArray) -> FloatArray:
        """Return the log odds ``(n,)`` of the parts of all columns, added up."""
        raised = np.tanh(hidden + self.inner[1]) @ self.outer  # (n,)
        slope, offset = self.platt
        logits: FloatArray = (slope * (raised + line + self.line[1]) + offset).astype(np.float32)
        return logits

"""Feature differences of comparisons, standardised and turned to their principal axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.modelling.islands import islands
from persona_engine.types import FloatArray, PreferenceData

Doubles = NDArray[np.float64]

_CONSTANT = (
    1e-6  # a feature that varies less than this, relative to its size, carries rounding only
)


@dataclass(frozen=True, slots=True)
class Differences:
    """Chosen minus rejected, in the principal axes of the standardised differences.

    In these axes the second moment is diagonal, so that one number per axis preconditions every
    fit, whatever its penalty.

    Args:
        rows: ``(N, R)`` float32 differences.
        weight: ``(N,)`` strength of each comparison.
        target: ``(N,)`` share of each preference that goes to the chosen response.
        user: ``(N,)`` user of each row.
        island: ``(N,)`` which rows have responses in common, directly or through others.
        moment: ``(R,)`` weighted second moment of each axis, descending.
        axes: ``(D, R)`` maps weights of the axes to weights of the raw features.
        centre: ``(D,)`` mean response, where rewards are zero.
    """

    rows: FloatArray
    weight: FloatArray
    target: FloatArray
    user: NDArray[np.int64]
    island: NDArray[np.int64]
    moment: Doubles
    axes: Doubles
    centre: FloatArray

    def project(self, responses: FloatArray) -> FloatArray:
        """Return responses ``(B, D)`` in the principal axes, ``(B, R)``, the mean response at 0."""
        projected: FloatArray = (responses - self.centre) @ self.axes.astype(np.float32)
        return projected


def principal_differences(data: PreferenceData, *, keep: float) -> Differences:
    """Return the differences on as many axes as hold the share ``keep`` of their second moment.

    Raises:
        InvalidInputError: There is no comparison of positive weight, or no two responses differ.
    """
    total = float(data.weight.sum(dtype=np.float64))
    if not total > 0.0:
        raise InvalidInputError(
            f"{len(data)} comparisons with a total weight of {total:g}, expected at least one",
            remedy="collect preferences before fitting a population",
        )
    centre = 0.5 * (data.chosen.mean(0, dtype=np.float64) + data.rejected.mean(0, dtype=np.float64))
    raw = data.chosen - data.rejected  # (N, D)
    inverse_scale = _inverse_scale(raw, data.weight / total, centre)
    standard = raw * inverse_scale.astype(np.float32)
    moment, axes = _principal_axes(standard, data.weight / total, keep)
    return Differences(
        rows=standard @ axes.astype(np.float32),
        weight=data.weight,
        target=data.target,
        user=data.user,
        island=islands(data.chosen, data.rejected),
        moment=moment,
        axes=axes * inverse_scale[:, None],
        centre=centre.astype(np.float32),
    )


def _inverse_scale(raw: FloatArray, share: FloatArray, centre: Doubles) -> Doubles:
    """Return 1 / root mean square of each feature's difference, 0 for a constant feature."""
    scale = np.sqrt(np.einsum("nd,nd,n->d", raw, raw, share, dtype=np.float64))
    varies = scale > _CONSTANT * (np.abs(centre) + scale.max())
    if not varies.any():
        raise InvalidInputError(
            "the two responses of every comparison have the same features, expected differences",
            remedy="check that each comparison's texts differ and are encoded on their own",
        )
    return np.where(varies, 1.0 / np.where(varies, scale, 1.0), 0.0)


def _principal_axes(
    standard: FloatArray, share: FloatArray, keep: float
) -> tuple[Doubles, Doubles]:
    """Return second moments ``(R,)`` and orthonormal axes ``(D, R)``, largest first."""
    weighted = standard * np.sqrt(share)[:, None]
    wide = weighted.shape[1] > weighted.shape[0]
    gram = weighted @ weighted.T if wide else weighted.T @ weighted
    moment, vectors = np.linalg.eigh(gram.astype(np.float64))
    moment, vectors = np.maximum(moment[::-1], 0.0), vectors[:, ::-1]
    kept = 1 + int(np.searchsorted(np.cumsum(moment), keep * moment.sum()))
    kept = max(1, min(kept, int(np.count_nonzero(moment > 1e-7 * moment[0]))))
    moment, vectors = moment[:kept], vectors[:, :kept]
    if wide:
        vectors = weighted.T.astype(np.float64) @ vectors / np.sqrt(moment)
    return moment, vectors

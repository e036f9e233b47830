"""What users themselves said, freed of the prior, in the directions that tell them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.types import Beliefs

Doubles = NDArray[np.float64]

_NOTHING_SAID = 1e-3  # of the prior's variance: less than this learned in a direction is nothing
_TINY = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Users' likelihoods ``exp(ηᵀy - ½ yᵀΛy)`` of their true place ``y``.

    Args:
        pull: ``η (U, d)``.
        precision: ``Λ (U, d, d)``; 0 of who said nothing.
        place: Posterior means ``(U, d)`` under the population's prior ``N(0, I)``.
        count: Comparisons ``(U,)``.
    """

    pull: Doubles
    precision: Doubles
    place: Doubles
    count: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pull)

    def take(self, rows: NDArray[Any]) -> Told:
        """Return some of the users."""
        return Told(self.pull[rows], self.precision[rows], self.place[rows], self.count[rows])

    @property
    def information(self) -> Doubles:
        """How much was said, ``(U,)``: the share of the prior's variance that is gone."""
        width = self.pull.shape[1]
        remaining = np.linalg.inv(np.eye(width) + self.precision)
        share: Doubles = 1.0 - np.trace(remaining, axis1=1, axis2=2) / width
        return np.clip(share, 0.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Coordinates ``y = Aᵀ(z - m₀)`` in which the population's prior is ``N(0, I)``.

    Args:
        centre: ``m₀ (k,)``, the prior's mean.
        axes: ``A (k, d)``, leading directions of what users are known to differ in.
        neutral: ``(d,)`` where somebody stands to whom all replies are alike.
    """

    centre: Doubles
    axes: Doubles
    neutral: Doubles

    @classmethod
    def of(cls, beliefs: Beliefs, *, keep: float, most: int) -> Self:
        """Return the leading directions of the posterior means' second moment.

        Under a calibrated prior that moment is the prior's variance less the users' mean spread:
        it is large where people differ and their answers say how. The directions left out are
        integrated over the prior.

        Args:
            beliefs: About the users.
            keep: Share of the moment to keep.
            most: Directions at most.
        """
        centre = beliefs.prior_mean.astype(np.float64)
        whiten = _inverse_root(beliefs.prior_covariance.astype(np.float64))  # (k, r)
        means = (beliefs.mean.astype(np.float64) - centre) @ whiten  # (U, r)
        values, vectors = np.linalg.eigh(means.T @ means / max(len(means), 1))
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        if not values.size or values[0] < _TINY:
            raise InvalidInputError(
                f"the {len(beliefs)} users do not differ from one another as far as is known",
                remedy="collect more comparisons, or fit a population on them (`persona fit`)",
            )
        held = np.cumsum(values) / values.sum()
        width = min(int(np.searchsorted(held, keep)) + 1, most, len(values))
        axes = whiten @ (vectors[:, :width] * _signs(vectors[:, :width]))
        return cls(centre, axes, (beliefs.indifferent.astype(np.float64) - centre) @ axes)

    @classmethod
    def stored(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read what `arrays` returned."""
        return cls(*(arrays[name].astype(np.float64) for name in ("centre", "axes", "neutral")))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the frame for a clustering."""
        return {"centre": self.centre, "axes": self.axes, "neutral": self.neutral}

    def told(self, beliefs: Beliefs) -> Told:
        """Return what users said: each posterior divided by the prior.

        ``Λ = S⁻¹ - I`` and ``η = S⁻¹ m`` of the posterior ``N(m, S)`` in these coordinates
        (extreme deconvolution needs likelihoods; posterior means of who said little lie near the
        prior's mean and would look like a group there).

        Raises:
            InvalidInputError: The beliefs have another width.
        """
        if beliefs.mean.shape[1] != len(self.centre):
            raise InvalidInputError(
                f"beliefs have width {beliefs.mean.shape[1]}, the clustering {len(self.centre)}",
                remedy="cluster again: the population has changed",
            )
        place = (beliefs.mean.astype(np.float64) - self.centre) @ self.axes  # (U, d)
        spread = self.axes.T @ beliefs.covariance.astype(np.float64) @ self.axes  # (U, d, d)
        values, vectors = np.linalg.eigh(0.5 * (spread + spread.swapaxes(1, 2)))
        values = np.clip(values, _TINY, 1.0)
        said = values < 1.0 - _NOTHING_SAID
        turned = np.einsum("udi,ud->ui", vectors, place)
        pull = np.where(said, turned / values, 0.0)
        precision = np.where(said, 1.0 / values - 1.0, 0.0)
        return Told(
            np.einsum("udi,ui->ud", vectors, pull),
            np.einsum("udi,ui,uei->ude", vectors, precision, vectors),
            place,
            beliefs.count,
        )


def _inverse_root(covariance: Doubles) -> Doubles:
    """Return ``(k, r)`` columns that turn the covariance into the identity, null space left out."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _TINY * max(float(values.max(initial=0.0)), _TINY)
    root: Doubles = vectors[:, kept] / np.sqrt(values[kept])
    return root


def _signs(vectors: Doubles) -> Doubles:
    """Return what makes each column's largest entry positive, so that axes do not flip."""
    largest = np.abs(vectors).argmax(0)
    return np.where(vectors[largest, np.arange(vectors.shape[1])] < 0.0, -1.0, 1.0)

"""A map of responses by how near they are to those that people have compared most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import require_width
from persona_engine.types import Evidence, FloatArray, Population


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """Responses whose rewards are known best, and what nearness to them means.

    Args:
        centre: ``(D,)`` mean response.
        axes: ``(D, P)`` maps raw features to the space where distances are measured.
        points: ``(m, P)`` the landmarks there.
    """

    centre: FloatArray
    axes: FloatArray
    points: FloatArray

    def nearness(self, responses: FloatArray) -> FloatArray:
        """Return ``exp(-distance)`` of responses ``(n, D)`` to the landmarks, ``(n, m)``."""
        place = (responses - self.centre) @ self.axes
        near: FloatArray = np.matmul(place, self.points.T, dtype=np.float32)
        near *= -2.0
        near += np.einsum("np,np->n", place, place)[:, None]
        near += np.einsum("mp,mp->m", self.points, self.points)
        np.maximum(near, 0.0, out=near)
        np.sqrt(near, out=near)
        np.negative(near, out=near)
        return np.exp(near, out=near)

    def arrays(self) -> dict[str, FloatArray]:
        """Return the map as a population holds it."""
        return {
            "landmark_centre": self.centre,
            "landmark_axes": self.axes,
            "landmarks": self.points,
        }

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the map of a population's arrays."""
        return cls(arrays["landmark_centre"], arrays["landmark_axes"], arrays["landmarks"])


def mapped(population: Population, responses: FloatArray) -> FloatArray:
    """Return responses ``(n, D)`` as the population's weights read them.

    That is their nearness to its landmarks ``(n, m)`` where it has any, otherwise as they are.

    Raises:
        InvalidInputError: The features have another width than the population's.
    """
    if "landmarks" not in population.arrays:
        return responses
    require_width(responses, len(population.arrays["landmark_axes"]))
    return Landmarks.of(population.arrays).nearness(responses)


def mapped_evidence(population: Population, evidence: Evidence) -> Evidence:
    """Return comparisons as the population's weights read them."""
    if "landmarks" not in population.arrays:
        return evidence
    both = mapped(population, np.concatenate([evidence.chosen, evidence.rejected]))
    count = len(evidence.chosen)
    return replace(evidence, chosen=both[:count], rejected=both[count:])


def mapped_crowd(population: Population, evidence: Sequence[Evidence]) -> Sequence[Evidence]:
    """Return many users' comparisons as the population's weights read them."""
    if "landmarks" not in population.arrays:
        return evidence
    return [mapped_evidence(population, each) for each in evidence]

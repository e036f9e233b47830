"""Where, among sentence embeddings, replies that have a property lie from those that have not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from persona_engine.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """Kernel ridge regression from a concept's name to a direction.

    d(c) = Σ_j k(c, c_j) a_j,  k(c, c') = exp(γ (c·c' − 1)),  (K + λ I) A = D

    Row j of D is the mean embedding of replies with the property c_j ("quiet places"), less that
    of replies with its opposite. Cosine alone cannot tell opposites apart, for they are said of the
    same things; the regression learns it for the concepts it was given, and names near theirs
    inherit it. Far from all of them it is zero, so that the cosine decides.

    Args:
        names: Embeddings of the names, ``(n, E)``, unit length.
        weights: ``A``, ``(n, E)``.
        sharpness: γ.
    """

    names: FloatArray
    weights: FloatArray
    sharpness: float

    def __call__(self, concepts: FloatArray) -> FloatArray:
        """Return the directions ``(m, E)`` of ``m`` concepts by their embeddings ``(m, E)``."""
        found: FloatArray = kernel(concepts, self.names, self.sharpness) @ self.weights
        return found


def kernel(a: FloatArray, b: FloatArray, sharpness: float) -> FloatArray:
    """Return ``exp(γ (a·b − 1))``, ``(n, m)``, of unit vectors ``(n, E)`` and ``(m, E)``."""
    near: FloatArray = np.exp(sharpness * (a @ b.T - 1.0))
    return near


def fit_directions(
    names: FloatArray, targets: FloatArray, *, sharpness: float = 3.0, ridge: float = 0.5
) -> Directions:
    """Solve for ``A``.

    Args:
        names: ``(n, E)``, unit length.
        targets: ``D``, ``(n, E)``.
        sharpness: γ: how near a name must be to matter.
        ridge: λ.
    """
    gram = kernel(names, names, sharpness).astype(np.float64)
    weights = np.linalg.solve(gram + ridge * np.eye(len(names)), targets.astype(np.float64))
    return Directions(names, weights.astype(np.float32), sharpness)

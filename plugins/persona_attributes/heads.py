"""Directions to fall back on where no attribute is named."""

from __future__ import annotations

import numpy as np

from persona_engine.modelling import AttributeHeads, Differences


def principal_heads(differences: Differences, count: int) -> AttributeHeads:
    """Return the leading directions of the comparisons themselves, for want of named ones."""
    kept = slice(0, min(count, len(differences.moment)))
    directions = differences.axes[:, kept] / np.sqrt(differences.moment[kept])
    names = tuple(f"axis {number + 1}" for number in range(directions.shape[1]))
    return AttributeHeads(names, directions, ())

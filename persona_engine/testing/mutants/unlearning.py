"""Mutants that unlearn wrongly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from persona_engine.testing.mutants.wrapper import Unchanged
from persona_engine.types import Evidence, Population


class UnlearnsNobody(Unchanged):
    """Says that a user is unlearned, and leaves everything as it is."""

    def unlearn(self, population: Population, evidence: Evidence) -> Population | None:
        return population


class UnlearnsEverybody(Unchanged):
    """Forgets with one user what all others have taught."""

    def unlearn(self, population: Population, evidence: Evidence) -> Population | None:
        empty = {name: np.zeros_like(value) for name, value in population.arrays.items()}
        return replace(population, arrays=empty)

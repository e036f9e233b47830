"""Mutants that compare histories wrongly."""

from __future__ import annotations

import numpy as np

from persona_engine.testing.mutants.wrapper import Unchanged
from persona_engine.types import Evidence, FloatArray, IntArray, Population


class FindsAllAnswersLikely(Unchanged):
    """Says that any answer is likely, whatever came before it."""

    def log_likelihoods_since(
        self, population: Population, evidence: Evidence, starts: IntArray
    ) -> FloatArray:
        likely = np.full((len(starts), len(evidence)), -0.69, np.float32)
        likely[np.arange(len(evidence)) < starts[:, None]] = 0.0
        return likely


class RemembersBeforeTheStart(Unchanged):
    """Lets answers before a start have a say in what comes after it."""

    def log_likelihoods_since(
        self, population: Population, evidence: Evidence, starts: IntArray
    ) -> FloatArray:
        known = self.infer(population, evidence)
        logit = self.logit(population, known, evidence.chosen, evidence.rejected)
        likely = np.tile(np.log(logit.probability()), (len(starts), 1))
        likely[np.arange(len(evidence)) < starts[:, None]] = 0.0
        return likely.astype(np.float32)

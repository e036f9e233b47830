"""How likely answers are, given those since some moment, as this model predicts them."""

from __future__ import annotations

import numpy as np

from persona_engine.modelling.histories import log_likelihoods_since
from persona_engine.types import Evidence, FloatArray, IntArray, Population
from persona_hierarchical.recall import in_common
from persona_hierarchical.scoring import keys_of


def answers_since(population: Population, evidence: Evidence, starts: IntArray) -> FloatArray:
    """Return ``log P(answer t | answers s … t-1)`` for each start ``s``, ``(C, n)``.

    Args:
        population: What all users share.
        evidence: One user's comparisons, as the population's weights read them.
        starts: ``(C,)`` ascending rows.
    """
    arrays = population.arrays
    projected = (evidence.chosen - evidence.rejected) @ arrays["projection"]
    latent = projected[:, 1:].astype(np.float64)
    recall: FloatArray | None = None
    if "recall" in arrays:
        keys = keys_of(population, evidence.chosen, evidence.rejected)
        recall = arrays["recall"] * in_common(keys, keys)
    width = float(arrays["width"][0]) if "width" in arrays else 1.0
    return log_likelihoods_since(
        latent @ latent.T, projected[:, 0], evidence, starts, recall=recall, width=width
    )

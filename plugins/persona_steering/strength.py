"""How far to go in a direction: as far as comparisons that it was not read from approve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.types import FloatArray, TrainingPair


@dataclass(frozen=True, slots=True, eq=False)
class Likelihoods:
    """Log-probabilities of held-out pairs under one model.

    Args:
        chosen: ``(N,)`` of the preferred replies.
        rejected: ``(N,)`` of the others.
    """

    chosen: FloatArray
    rejected: FloatArray

    @property
    def margin(self) -> FloatArray:
        """By how much the preferred reply is likelier, ``(N,)``."""
        return self.chosen - self.rejected


def gain(
    steered: Likelihoods, base: Likelihoods, pairs: Sequence[TrainingPair], *, beta: float
) -> float:
    """Return the mean of ``log σ(β Δ) − log ½``: above 0 where steering makes the better likelier.

    Δ is how much the margin grew over the base model's, as in DPO (Rafailov et al. 2023).
    """
    weight = np.array([pair.weight for pair in pairs], np.float64)
    log_odds = -np.logaddexp(0.0, -beta * (steered.margin - base.margin).astype(np.float64))
    return float(weight @ (log_odds + np.log(2.0)) / weight.sum())


def drift(steered: Likelihoods, base: Likelihoods, lengths: Sequence[int]) -> float:
    """Return how many nats a token the preferred replies became less likely, 0 at least."""
    lost = float((base.chosen - steered.chosen).sum()) / sum(lengths)
    return max(lost, 0.0)

"""How much what neighbours said may count: as much as it helps to predict people who answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from persona_engine.interfaces import RewardModel
from persona_engine.types import Evidence, Population

STRENGTHS = (1.0, 2.0, 4.0, 8.0)
"""Answers that all neighbours together may count as."""

UNJUDGED = 1.0
"""Answers that they count as while too few people answered to tell."""

_FEWEST = 8  # people on whom it can be told
_ERRORS = 1.0  # standard errors by which neighbours must help


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Somebody who answered, and their neighbours.

    Args:
        own: What they said.
        neighbours: What neighbours said, its weights adding up to 1.
    """

    own: Evidence
    neighbours: Evidence


def strength_for(model: RewardModel, population: Population, cases: Sequence[Case]) -> float:
    """Return as how many answers neighbours should count, 0 where they do not help.

    Everybody's own answers are predicted from their neighbours' alone. The strength with the
    greatest likelihood is taken if it beats the plain prior by a standard error over people.

    Args:
        model: The reward model.
        population: What it was fitted to.
        cases: People who answered and have neighbours.
    """
    if len(cases) < _FEWEST:
        return UNJUDGED
    losses = np.array([_losses(model, population, case) for case in cases])  # (people, 1 + S)
    gains = losses[:, :1] - losses[:, 1:]  # (people, S)
    best = int(gains.mean(0).argmax())
    error = float(gains[:, best].std(ddof=1)) / np.sqrt(len(cases))
    helps = float(gains[:, best].mean()) > _ERRORS * error
    return STRENGTHS[best] if helps else 0.0


def _losses(model: RewardModel, population: Population, case: Case) -> list[float]:
    """Return the loss of somebody's answers without neighbours, and at each strength."""
    near = case.neighbours
    losses = []
    for strength in (0.0, *STRENGTHS):
        evidence = replace(near, weight=np.float32(strength) * near.weight)
        posterior = model.infer(population, evidence)
        logit = model.logit(population, posterior, case.own.chosen, case.own.rejected)
        p = np.clip(logit.probability().astype(np.float64), 1e-6, 1.0 - 1e-6)
        target = np.clip(case.own.target.astype(np.float64), 0.0, 1.0)
        losses.append(-float((target * np.log(p) + (1.0 - target) * np.log1p(-p)).mean()))
    return losses

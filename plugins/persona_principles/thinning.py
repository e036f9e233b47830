"""Of rules that explain the same choices, the surest: others must add something to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_engine.modelling import sigmoid
from persona_engine.types import IntArray
from persona_principles.choices import Mask, Votes
from persona_principles.significance import Doubles, upper_tail

_RIDGE = 0.1  # weak: a duplicate must not seem to add what a strong penalty took away
_STEPS = 25


def thin(
    votes: Sequence[Votes], tested: Sequence[Mask | None], strength: IntArray, *, level: float
) -> list[int]:
    """Return which of some rules to keep, surest first.

    One rule after the other is tried given those kept so far: a logistic regression on their votes
    says how probable each reply is by them alone, and the rule stays where it is right more often
    than that explains (one-sided, by the Poisson binomial distribution). A rule that favours what
    a kept one favours anyhow adds nothing and goes.

    Args:
        votes: Of the rules, surest first: 1 where a unit speaks for it, -1 against, ``(U,)`` each.
        tested: Units on which each may be tested; None for all.
        strength: Of the units, ``(U,)`` whole numbers.
        level: Of each conditional test.
    """
    kept: list[int] = []
    for place, each in enumerate(votes):
        known = np.stack([votes[k] for k in kept], axis=1) if kept else np.zeros((len(each), 0))
        explained = known @ _weights(known.astype(np.float64), strength)  # logit of what was chosen
        said = each != 0
        where = tested[place]
        if where is not None:
            said = said & where
        expected = sigmoid(explained[said] * each[said]).astype(np.float64).round(6)
        if not kept or upper_tail(each[said] > 0, strength[said], expected) <= level:
            kept.append(place)
    return kept


def _weights(votes: Doubles, strength: IntArray) -> Doubles:
    """Return ``w`` that minimises ``Σ s log(1 + exp(-w·v)) + ridge/2 |w|²``, s of mean 1."""
    share = strength / max(float(strength.mean()), 1e-9) if len(strength) else strength * 1.0
    w = np.zeros(votes.shape[1])
    for _ in range(_STEPS if len(w) else 0):
        p = sigmoid(votes @ w)
        slope = _RIDGE * w - votes.T @ (share * (1.0 - p))
        curvature = (votes * (share * p * (1.0 - p))[:, None]).T @ votes + _RIDGE * np.eye(len(w))
        step = np.linalg.solve(curvature, slope)
        w = w - step / max(1.0, float(np.abs(step).max()))
    return w

"""Of rules that explain the same choices, the surest: others must add something to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.modelling import sigmoid
from persona_engine.types import IntArray
from persona_principles.choices import Doubles, Mask, Votes
from persona_principles.significance import upper_tail

_RIDGE = 0.1  # weak: a duplicate must not seem to add what a strong penalty took away
_STEPS = 25


@dataclass(frozen=True, slots=True, eq=False)
class Explaining:
    """A rule as the choices that it explains.

    Args:
        votes: 1 where a unit speaks for it, -1 against, ``(U,)``.
        chances: That a unit speaks for it if choices are random, ``(U,)``.
        tested: Units on which it may be tested, ``(U,)``; None for all.
    """

    votes: Votes
    chances: Doubles
    tested: Mask | None = None


def thin(rules: Sequence[Explaining], strength: IntArray, *, level: float) -> list[int]:
    """Return which of some rules to keep, surest first.

    One rule after the other is tried given those kept so far: a logistic regression on their votes
    says how probable each reply is by them alone, and the rule stays where it is right more often
    than that explains (one-sided, by the Poisson binomial distribution). A rule that favours what
    a kept one favours anyhow adds nothing and goes.

    Args:
        rules: Surest first.
        strength: Of the units, ``(U,)`` whole numbers.
        level: Of each conditional test.
    """
    kept: list[int] = []
    for place, each in enumerate(rules):
        known = np.stack([rules[k].votes for k in kept], axis=1) if kept else None
        if known is None or _adds(each, known.astype(np.float64), strength) <= level:
            kept.append(place)
    return kept


def _adds(rule: Explaining, known: Doubles, strength: IntArray) -> float:
    """Return P(the rule is right this often or more | what the known votes ``(U, K)`` explain)."""
    said = rule.votes != 0
    if rule.tested is not None:
        said &= rule.tested
    chances, votes = rule.chances[said], rule.votes[said]
    explained = known[said] @ _weights(known, strength)  # logit of the preferred reply
    by_chance = np.log(chances) - np.log1p(-chances)
    expected = sigmoid(by_chance + explained * votes).astype(np.float64).round(6)
    return upper_tail(votes > 0, strength[said], expected)


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

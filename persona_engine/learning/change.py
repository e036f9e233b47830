"""Changes of taste: how sure it is that each answer still holds.

Bayesian change points (Fearnhead 2006, "Exact and efficient Bayesian inference for multiple
changepoint problems"; Adams & MacKay 2007, arXiv:0710.3742): a person's answers fall into stretches
of one taste each, drawn anew from the population. With ``L(i, j)`` the log-likelihood of answers
``i … j-1``, each given those before it from ``i`` on, and ``h_i`` the probability that the taste
changed before answer ``i``,

    F_j = log Σ_{i<j} exp(F_i + log h_i + Σ_{i<k<j} log(1 - h_k) + L(i, j))

and the last stretch began at ``i`` with a probability in proportion to its term of ``F_n``. Answers
then count as much as it is probable that they are of the last stretch, and not at all where that is
less than ½: what was said before a reliable reversal is given up, and the posterior is wide again,
instead of an average of two tastes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from persona_engine.interfaces import ComparesHistories, RewardModel
from persona_engine.modelling import Doubles
from persona_engine.types import Evidence, FloatArray, IntArray, Population

FEWEST = 9
"""Answers below which no change is looked for: so few tell a change from noise in nobody."""

_GIVEN_UP = 0.5
_STARTS_APART = 8  # starts of stretches that are considered before their spacing doubles
_DENSE = 16  # answers that are looked at before their spacing doubles; the latest are all


@dataclass(frozen=True, slots=True)
class Changes:
    """Looks for changes of taste.

    Args:
        hazard: Probability that a taste changes from one answer to the next; 0 never looks.

    When to use it: for tastes that turn from one day to the next. For those that fade slowly there
    are the half-lives of `persona_engine.weighing.EvidencePolicy`; both go together.
    """

    hazard: float = 0.02

    def watches(self, model: RewardModel) -> bool:
        """Return whether changes of taste are looked for with this model."""
        return self.hazard > 0.0 and model.personal and _compares_histories(type(model))

    def validity(
        self, model: RewardModel, population: Population, evidence: Evidence
    ) -> FloatArray:
        """Return P(the taste has not changed since), ``(n,)``, never falling.

        Args:
            model: The reward model.
            population: What it stands on.
            evidence: One user's comparisons, oldest first.
        """
        count = len(evidence)
        watched = self.hazard > 0.0 and model.personal and count >= FEWEST
        if not watched or not isinstance(model, ComparesHistories):
            return np.ones(count, np.float32)
        looked_at = _thinned(count, _DENSE)
        starts = np.searchsorted(looked_at, _thinned(count, _STARTS_APART))
        starts = np.unique(np.minimum(starts, len(looked_at) - 1))
        each = model.log_likelihoods_since(population, evidence.take(looked_at), starts)
        ends = np.append(starts, len(looked_at))
        sums = np.concatenate([np.zeros((len(starts), 1)), np.cumsum(each, 1)], 1)[:, ends]
        chances = 1.0 - (1.0 - self.hazard) ** np.diff(looked_at[starts], prepend=0)
        valid = np.zeros(len(looked_at))
        valid[starts] = _last_start(sums, chances)
        reach = np.searchsorted(looked_at, np.arange(count), side="right") - 1
        result: FloatArray = np.minimum(np.cumsum(valid), 1.0).astype(np.float32)[reach]
        return result

    def reweighed(self, model: RewardModel, population: Population, evidence: Evidence) -> Evidence:
        """Return one user's comparisons, oldest first, each as strong as it is likely to hold."""
        valid = self.validity(model, population, evidence)
        if (valid == 1.0).all():
            return evidence
        # A model that is sure of single answers would hear even a faint one of them.
        held = np.where(valid < _GIVEN_UP, np.float32(0.0), valid)
        return replace(evidence, weight=evidence.weight * held)


@cache  # a protocol's check takes as long as ten statements
def _compares_histories(kind: type[RewardModel]) -> bool:
    return issubclass(kind, ComparesHistories)


def _thinned(count: int, dense: int) -> IntArray:
    """Return rows to look at, ascending from 0: the later, the denser.

    Examples:
        >>> _thinned(20, 4).tolist()
        [0, 4, 8, 10, 12, 14, 16, 17, 18, 19]
    """
    found = []
    place, spacing = count - 1, 1
    while place > 0:
        found.append(place)
        if len(found) % dense == 0:
            spacing *= 2
        place -= spacing
    return np.array([0, *found[::-1]], np.int64)


def _last_start(sums: Doubles, chances: Doubles) -> Doubles:
    """Return P(the last stretch began at each start), ``(C,)``.

    Args:
        sums: ``(C, C+1)`` log-likelihood of the answers from each start to each end.
        chances: ``(C,)`` P(a stretch begins there); what stands at the first makes no difference.
    """
    count = len(chances)
    begins = np.log(np.where(np.arange(count) == 0, 1.0, chances))
    goes_on = np.concatenate([[0.0], np.cumsum(np.log1p(-chances[1:]))])  # to each start
    before = np.zeros(count)
    terms = np.zeros(count)
    for end in range(1, count + 1):
        inside = goes_on[end - 1] - goes_on[:end]
        terms = before[:end] + begins[:end] + inside + sums[:end, end]
        if end < count:
            before[end] = np.logaddexp.reduce(terms)
    result: Doubles = np.exp(terms - np.logaddexp.reduce(terms))
    return result

"""Changes of taste: how sure it is that each answer still holds.

Bayesian change points (Fearnhead 2006, "Exact and efficient Bayesian inference for multiple
changepoint problems"; Adams & MacKay 2007, arXiv:0710.3742): a person's answers fall into stretches
of one taste each, drawn anew from the population. With ``L(i, j)`` the log marginal likelihood of
answers ``i … j-1`` and ``h_i`` the probability that the taste changed before answer ``i``,

    F_j = log Σ_{i<j} exp(F_i + log h_i + Σ_{i<k<j} log(1 - h_k) + L(i, j))

and the last stretch began at ``i`` with a probability in proportion to its term of ``F_n``. Answers
then count as much as it is probable that they are of the last stretch: what was said before a
reliable reversal is given up, and the posterior is wide again, instead of an average of two tastes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from persona_engine.interfaces import ComparesHistories, RewardModel
from persona_engine.modelling import Doubles
from persona_engine.types import Evidence, FloatArray, IntArray, Population

FEWEST = 9
"""Answers below which no change is looked for: so few tell a change from noise in nobody."""

_EACH_SPACING = 8  # starts of stretches that are considered before their spacing doubles


@dataclass(frozen=True, slots=True)
class Changes:
    """Looks for changes of taste.

    Args:
        hazard: Probability that a taste changes from one answer to the next; 0 never looks.

    When to use it: for tastes that turn from one day to the next. For those that fade slowly there
    are the half-lives of `persona_engine.weighing.EvidencePolicy`; both go together.
    """

    hazard: float = 0.01

    def watches(self, model: RewardModel) -> bool:
        """Return whether changes of taste are looked for with this model."""
        return self.hazard > 0.0 and model.personal and isinstance(model, ComparesHistories)

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
        starts = _starts(count)
        bounds = np.append(starts, count)  # (C+1,)
        first, last = np.triu_indices(len(bounds), 1)
        spans = np.stack([bounds[first], bounds[last]], 1)
        likely = np.full((len(bounds), len(bounds)), -np.inf)
        likely[first, last] = model.log_likelihood_of_spans(population, evidence, spans)
        begins = _last_start(likely, self._chances(starts))  # (C,)
        valid = np.zeros(count)
        valid[starts] = begins
        result: FloatArray = np.minimum(np.cumsum(valid), 1.0).astype(np.float32)
        return result

    def reweighed(self, model: RewardModel, population: Population, evidence: Evidence) -> Evidence:
        """Return one user's comparisons, oldest first, each as strong as it is likely to hold."""
        valid = self.validity(model, population, evidence)
        if (valid == 1.0).all():
            return evidence
        return replace(evidence, weight=evidence.weight * valid)

    def _chances(self, starts: IntArray) -> Doubles:
        """Return P(a stretch begins at each start): it stands for those up to the one before."""
        chances: Doubles = 1.0 - (1.0 - self.hazard) ** np.diff(starts, prepend=0)
        return chances


def _starts(count: int) -> IntArray:
    """Return where stretches may begin, ascending from 0: the later, the denser.

    Examples:
        >>> _starts(20).tolist()
        [0, 2, 4, 6, 8, 10, 12, 13, 14, 15, 16, 17, 18, 19]
    """
    found = []
    place, spacing = count - 1, 1
    while place > 0:
        found.append(place)
        if len(found) % _EACH_SPACING == 0:
            spacing *= 2
        place -= spacing
    return np.array([0, *found[::-1]], np.int64)


def _last_start(likely: Doubles, chances: Doubles) -> Doubles:
    """Return P(the last stretch began at each start), ``(C,)``.

    Args:
        likely: ``(C+1, C+1)`` log-likelihood of the stretch from each start to each end.
        chances: ``(C,)`` P(a stretch begins there); what stands at the first makes no difference.
    """
    count = len(chances)
    begins = np.log(np.where(np.arange(count) == 0, 1.0, chances))
    goes_on = np.concatenate([[0.0], np.cumsum(np.log1p(-chances[1:]))])  # to each start
    before = np.zeros(count)
    terms = np.zeros(count)
    for end in range(1, count + 1):
        inside = goes_on[end - 1] - goes_on[:end]
        terms = before[:end] + begins[:end] + inside + likely[:end, end]
        if end < count:
            before[end] = np.logaddexp.reduce(terms)
    result: Doubles = np.exp(terms - np.logaddexp.reduce(terms))
    return result

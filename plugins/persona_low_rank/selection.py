"""How well a fit serves users that it has not seen: few-shot prediction on held-out people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import Differences, Doubles, fit_ridge, sigmoid
from persona_low_rank.joint import Rows, Sample, sample_of

SHOTS = (1, 4, 16)
"""Numbers of comparisons that a held-out user is known by."""

_TURNS = 2
_QUERIES = 24  # comparisons of a held-out user that are predicted

Found = TypeVar("Found")
Setting = TypeVar("Setting")

Belief = Callable[[Doubles, Doubles, Doubles], tuple[Doubles, Doubles]]
"""Given rows ``(U, n, M)`` on the basis, weights and targets ``(U, n)``, returns mean ``(U, M)``
and covariance ``(U, M, M)`` of the users' coefficients."""


@dataclass(frozen=True, slots=True)
class People:
    """Held-out users: what is known of them, and what is to be predicted.

    Args:
        support: ``(U, 16, R)`` their first comparisons, zero where padded.
        weight: ``(U, 16)`` strengths, zero where padded.
        target: ``(U, 16)`` shares of the preferences that go to the chosen responses.
        query: ``(Q, R)`` later comparisons.
        owner: ``(Q,)`` whose.
        share: ``(Q,)`` each one's share in the mean over users, by weight.
        wanted: ``(Q,)`` targets.
    """

    support: NDArray[np.float32]
    weight: Doubles
    target: Doubles
    query: NDArray[np.float32]
    owner: Rows
    share: Doubles
    wanted: Doubles

    def loss(self, basis: Doubles, belief: Belief) -> float:
        """Return the mean negative log-likelihood of the queries over users and `SHOTS`."""
        known = self.support @ basis.astype(np.float32)  # (U, 16, M)
        asked = (self.query @ basis.astype(np.float32)).astype(np.float64)  # (Q, M)
        total = 0.0
        for shots in SHOTS:
            first = slice(0, shots)
            mean, covariance = belief(
                known[:, first].astype(np.float64), self.weight[:, first], self.target[:, first]
            )
            logits = np.einsum("qm,qm->q", asked, mean[self.owner])
            variance = np.einsum(
                "qm,qml,ql->q", asked, covariance[self.owner], asked, optimize=True
            )
            total += self._cost(logits / np.sqrt(1.0 + np.pi / 8.0 * np.maximum(variance, 0.0)))
        return total / len(SHOTS)

    def _cost(self, logits: Doubles) -> float:
        p = np.clip(sigmoid(logits), 1e-6, 1.0 - 1e-6)
        lost = self.wanted * np.log(p) + (1.0 - self.wanted) * np.log(1.0 - p)
        return -float(self.share @ lost)


@dataclass(frozen=True, slots=True)
class Trial:
    """One fold.

    Args:
        seen: The users to fit on.
        shared: ``(R,)`` their pooled weights.
        unseen: The users to predict.
    """

    seen: Sample
    shared: Doubles
    unseen: People


def trials_of(
    differences: Differences,
    folds: Sequence[NDArray[np.bool_]],
    *,
    ridge: float,
    rng: np.random.Generator,
) -> list[Trial]:
    """Return a trial for each fold that leaves somebody on both sides.

    Args:
        differences: All comparisons.
        folds: For each fold, the rows that it holds out, whole users.
        ridge: Penalty of the pooled weights.
        rng: Draws what is known of each held-out user.
    """
    trials = []
    for held_out in folds:
        seen = sample_of(differences, ~held_out)
        unseen = sample_of(differences, held_out)
        if seen.users and unseen.users:
            weight = np.where(held_out, 0.0, differences.weight).astype(np.float32)
            shared = fit_ridge(differences, weight, ridge)
            trials.append(Trial(seen, shared, _people(unseen, rng)))
    return trials


@dataclass(frozen=True, slots=True)
class Choice(Generic[Setting]):
    """What predicts unseen users best.

    Args:
        fit: Place of the fit among those tried.
        setting: What to do with it.
        loss: Mean negative log-likelihood per comparison of unseen users.
    """

    fit: int
    setting: Setting
    loss: float


def choose(
    found: Sequence[Sequence[Found]],
    settings: Sequence[Setting],
    loss: Callable[[int, Found, Setting], float],
) -> Choice[Setting]:
    """Return the best fit and setting, searched in turns.

    First all fits at the best setting so far, then all settings of the best fit.

    Args:
        found: What each fit found in each trial.
        settings: What may be done with a fit, the usual first.
        loss: Given the trial's number, what was found and the setting, the loss on unseen users.
    """

    @cache
    def mean(fit: int, setting: int) -> float:
        chosen = settings[setting]
        return float(np.mean([loss(n, trial[fit], chosen) for n, trial in enumerate(found)]))

    fit = setting = 0
    for _ in range(_TURNS):
        fit = min(range(len(found[0])), key=lambda each: mean(each, setting))
        setting = min(range(len(settings)), key=lambda each: mean(fit, each))
    return Choice(fit, settings[setting], mean(fit, setting))


def _people(sample: Sample, rng: np.random.Generator) -> People:
    """Split each user's comparisons, in random order, into support and queries."""
    width = SHOTS[-1]
    support = np.zeros((sample.users, width), np.int64)
    weight = np.zeros((sample.users, width))
    queries: list[Rows] = []
    ends = np.append(sample.begin[1:], len(sample.rows))
    for user, (begin, end) in enumerate(zip(sample.begin, ends, strict=True)):
        mine = begin + rng.permutation(end - begin)
        known = min(width, len(mine) // 2)
        support[user, :known] = mine[:known]
        weight[user, :known] = sample.weight[mine[:known]]
        queries.append(mine[known : known + _QUERIES])
    asked = np.concatenate(queries)
    owner = np.repeat(np.arange(sample.users), [len(each) for each in queries])
    amount = np.bincount(owner, sample.weight[asked], minlength=sample.users)
    return People(
        support=np.where((weight > 0)[..., None], sample.rows[support], np.float32(0)),
        weight=weight,
        target=sample.target[support].astype(np.float64),
        query=sample.rows[asked],
        owner=owner,
        share=sample.weight[asked] / amount[owner] / sample.users,
        wanted=sample.target[asked].astype(np.float64),
    )

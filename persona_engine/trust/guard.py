"""Keeps one user, or a few in concert, from shaping what all users share.

Memory poisoning needs no access but feedback: whoever can answer can answer wrongly, much, or under
many names. Before a population is fitted,

- a user's comparisons count at most as 1% of everybody's, or as five times the median user's;
- users who contradict the shared reward far more than users differ from one another are
  down-weighted. With ``d`` the pooled log-odds, ``β̂ = Σ w (y - p) d / Σ w p(1-p) d²`` is one Newton
  step of a user's own factor ``1 + β`` on them: 0 for those who agree, -2 for flipped labels.
  Beyond two robust standard deviations below the median, ``z = (β̂ - median) / √(τ² + se²)``,
  a user counts ``(2 / z)²`` (robust location: Huber 1964; ``τ`` from the median absolute
  deviation). Where people disagree by nature ``τ`` is large, and nobody is an outlier; and where
  more than 7% are so far off, they are a group with a taste of its own, of whom only the most
  extreme count a little less;
- users who came together *and* answered alike count as one;

and whoever came together, or answered alike beyond chance, is reported. Only what all share is
guarded: each person's own posterior counts their own answers in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from persona_engine.interfaces import RewardModel, given
from persona_engine.modelling import Doubles
from persona_engine.trust.alike import alike, answers_of, together
from persona_engine.types import Context, FloatArray, IntArray, Population, PreferenceData

_MEDIANS = 5.0
_LARGEST_SHARE = 0.01
_BOUND = 2.0  # robust standard deviations
_MOST_OUTLIERS = 0.07  # of the users: more are no outliers but a group with a taste of its own
_NAMED = 20
_FEWEST_USERS = 20  # below which nobody can be told from the others
_IN_STEP = 0.8  # share of a group of users alike that must have come together
_HOUR = 3_600.0
_MOST_COMPARED = 100_000  # newest users whose answers are compared


@dataclass(frozen=True, slots=True)
class Burst:
    """Users who look like one.

    Args:
        kind: ``simultaneous``: they came all at once; ``alike``: they gave the same answers beyond
            chance; ``sybil``: both, and they count as one user.
        users: How many.
        names: The first of them.
        began: Seconds since 1970 at which the first came.
        seconds: Until the last came.
    """

    kind: Literal["simultaneous", "alike", "sybil"]
    users: int
    names: tuple[str, ...]
    began: float
    seconds: float


@dataclass(frozen=True, slots=True)
class GuardReport:
    """Whose influence on a population was limited, and who looks suspicious.

    Args:
        capped: Users who had said more than counts.
        outliers: Users who contradict the others far more than users differ.
        names: The first of both.
        bursts: Users who look like one.
        largest_share: Largest share of one user in what the population learned from.
    """

    capped: int = 0
    outliers: int = 0
    names: tuple[str, ...] = ()
    bursts: tuple[Burst, ...] = field(default=())
    largest_share: float = 0.0


def guarded(
    data: PreferenceData,
    names: Sequence[str],
    began: Doubles,
    *,
    pooled: RewardModel,
    rng: np.random.Generator,
) -> tuple[FloatArray, GuardReport]:
    """Return what each comparison counts in a fit, ``(N,)``, and a report.

    Args:
        data: Comparisons; users are numbered as in ``names``.
        names: The users.
        began: ``(U,)`` seconds since 1970 at which each user was first seen.
        pooled: A reward model that gives everybody the same reward.
        rng: For its fit.
    """
    factor, bursts = _one_hand(data, names, began)
    weight = data.weight * factor[data.user].astype(np.float32)
    total = _sums(data.user, weight, len(names))
    cap = _cap(total)
    capped = total > cap * (1.0 + 1e-9)
    factor = factor * np.where(capped, cap / np.maximum(total, 1e-12), 1.0)
    trust = np.ones(len(names))
    if len(names) >= _FEWEST_USERS:
        weight = data.weight * factor[data.user].astype(np.float32)
        population = pooled.fit(replace(data, weight=weight), rng=rng)
        trust = _trust(*_slopes(pooled, population, data, len(names)))
    weight = (data.weight * (factor * trust)[data.user]).astype(np.float32)
    total = _sums(data.user, weight, len(names))
    odd = np.flatnonzero(capped | (trust < 1.0))
    return weight, GuardReport(
        capped=int(capped.sum()),
        outliers=int((trust < 1.0).sum()),
        names=tuple(names[each] for each in odd[:_NAMED].tolist()),
        bursts=bursts,
        largest_share=float(total.max() / max(total.sum(), 1e-12)),
    )


def _cap(total: Doubles) -> float:
    """Return the most weight of a user: 1% of all that counts, or five medians.

    Examples:
        >>> _cap(np.array([10.0, 10.0, 10.0, 1000.0]))
        50.0
    """
    floor = _MEDIANS * float(np.median(total))
    cap = float(total.max())
    for _ in range(50):
        cap = max(floor, _LARGEST_SHARE * float(np.minimum(total, cap).sum()))
    return cap


def _sums(user: IntArray, values: NDArray[np.floating[Any]], users: int) -> Doubles:
    """Return the sum of each user's values, ``(U,)``."""
    sums: Doubles = np.bincount(user, values, users).astype(np.float64)
    return sums


def _slopes(
    pooled: RewardModel, population: Population, data: PreferenceData, users: int
) -> tuple[Doubles, Doubles]:
    """Return ``β̂`` of each user and its precision, ``(U,)``."""
    nobody = pooled.infer(population, data.evidence_of_rows(np.zeros(0, np.int64)))
    asked = given(Context(data.prompt, data.texts) if pooled.reads else None)
    logit = pooled.logit(population, nobody, data.chosen, data.rejected, **asked).mean
    d = logit.astype(np.float64)
    p = 0.5 + 0.5 * np.tanh(0.5 * d)
    pull = _sums(data.user, data.weight * (data.target - p) * d, users)
    precision = _sums(data.user, data.weight * p * (1.0 - p) * np.square(d), users)
    return pull / np.maximum(precision, 1e-12), precision


def _trust(slope: Doubles, precision: Doubles) -> Doubles:
    """Return what each user counts by how far they contradict the others, ``(U,)``."""
    known = precision > 1e-6
    if np.count_nonzero(known) < _FEWEST_USERS:
        return np.ones(len(slope))
    centre = float(np.median(slope[known]))
    apart = np.abs(slope[known] - centre)
    noise = float(np.median(1.0 / precision[known]))
    between = max((1.4826 * float(np.median(apart))) ** 2 - noise, 0.0)
    z = (slope - centre) / np.sqrt(between + 1.0 / np.maximum(precision, 1e-12))
    bound = max(_BOUND, float(np.quantile(-z[known], 1.0 - _MOST_OUTLIERS)))
    return np.where(known & (z < -bound), np.square(bound / np.minimum(z, -bound)), 1.0)


def _one_hand(
    data: PreferenceData, names: Sequence[str], began: Doubles
) -> tuple[Doubles, tuple[Burst, ...]]:
    """Return a factor ``(U,)`` that makes users of one hand count as one, and who looks so."""
    factor = np.ones(len(names))
    bursts = []
    newest = np.argsort(-began, kind="stable")[:_MOST_COMPARED]
    for group in alike(answers_of(data, newest, len(names))):
        middle = float(np.median(began[group]))
        near = np.abs(began[group] - middle) <= _HOUR / 2.0
        sybil = len(group) > 2 and float(near.mean()) >= _IN_STEP
        if sybil:
            factor[group] = 1.0 / len(group)
        bursts.append(_burst("sybil" if sybil else "alike", group, names, began))
    bursts += [_burst("simultaneous", group, names, began) for group, _ in together(began)]
    return factor, tuple(bursts)


def _burst(
    kind: Literal["simultaneous", "alike", "sybil"],
    group: IntArray,
    names: Sequence[str],
    began: Doubles,
) -> Burst:
    first, last = float(began[group].min()), float(began[group].max())
    shown = tuple(names[each] for each in group[:_NAMED].tolist())
    return Burst(kind, len(group), shown, first, last - first)

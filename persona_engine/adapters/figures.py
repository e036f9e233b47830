"""What an adapter was found to be on held-out users and prompts, and whether that is enough."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.modelling import Doubles


@dataclass(frozen=True, slots=True)
class Measured:
    """A mean with its standard error.

    Args:
        value: The mean.
        error: Its standard error; infinite where too little was seen to tell.
    """

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class AdapterFigures:
    """What an adapter was found to be, beside its base, on held-out users and prompts.

    Args:
        comparisons: Held-out comparisons that it was asked about.
        users: Held-out users who made them.
        accuracy: Share of them that the implicit reward, log π − log π_base, gets right.
        base_accuracy: Share that the base model's log-likelihood gets right, summed or by token,
            whichever is right more often.
        gain: Accuracy less base's.
        wins: Share of prompts and samples where the users' reward prefers the adapter's.
        independent_wins: Likewise by a reward model of other users in another encoder's space.
        judge_accuracy: How often that one is right about held-out comparisons; None of none.
        kl: log π − log π_base of the adapter's samples, in nats a token.
        length: Mean length of its samples over that of base's, both cut at the same limit.
        neutral: Perplexity on neutral text over base's.
        worst_part: The part of the cluster's users that gains least.
        worst_part_gain: What that one gains; `gain` where there is one part.
    """

    comparisons: int
    users: int
    accuracy: float
    base_accuracy: float
    gain: Measured
    wins: Measured
    independent_wins: Measured
    judge_accuracy: float | None
    kl: float
    length: float
    neutral: float
    worst_part: str
    worst_part_gain: float

    def as_json(self) -> dict[str, Any]:
        """Return plain values by name; what is infinite is None."""
        return _plain(asdict(self))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> AdapterFigures:
        """Return what `as_json` gave."""
        measured = {
            name: Measured(each["value"], math.inf if each["error"] is None else each["error"])
            for name, each in values.items()
            if isinstance(each, dict)
        }
        return cls(**{**values, **measured})


@dataclass(frozen=True, slots=True)
class Limits:
    """What an adapter must reach, and how far it may drift, to be published.

    Args:
        errors: Standard errors by which its accuracy must be above base's.
        win_errors: Standard errors by which its samples must win, by either reward.
        comparisons: Least held-out comparisons to judge it by.
        users: Least held-out users.
        kl: Most nats a token between it and base.
        shorter: Least length of its samples over base's.
        longer: Most length of them.
        neutral: Most perplexity on neutral text over base's.

    Raises:
        InvalidInputError: A limit is not a positive number.
    """

    errors: float = 1.645
    win_errors: float = 1.0
    comparisons: int = 20
    users: int = 3
    kl: float = 1.0
    shorter: float = 0.2
    longer: float = 5.0
    neutral: float = 1.05

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
                raise InvalidInputError(f"limit {name} is {value!r}, expected a number above 0")

    def faults(self, figures: AdapterFigures) -> tuple[str, ...]:
        """Return in words why an adapter is not to be published; nothing if it is."""
        if figures.comparisons < self.comparisons or figures.users < self.users:
            return (
                f"{figures.comparisons} held-out comparisons by {figures.users} users are too few "
                f"to judge by, expected {self.comparisons} by {self.users}",
            )
        found = [
            _within("accuracy", figures.gain, self.errors, by_chance=0.0),
            _within("the users' reward's win rate", figures.wins, self.win_errors),
            _within("the independent judge's win rate", figures.independent_wins, self.win_errors),
            _above("perplexity on neutral text over base's", figures.neutral, self.neutral),
            _above("KL to base in nats a token", figures.kl, self.kl),
            _above("length over base's", figures.length, self.longer),
            _above("brevity, base's length over its own,", _inverse(figures), 1 / self.shorter),
        ]
        return tuple(each for each in found if each)


def clustered(values: Doubles, weight: Doubles, *labels: Sequence[str]) -> Measured:
    """Return a weighted mean and its standard error where values of one label go together.

    V_l = U_l / (U_l − 1) Σ_c (Σ_{i∈c} w_i (x_i − x̄))² / (Σ_i w_i)² (Liang & Zeger 1986); of
    several ways to be together, such as by user and by prompt, the greatest counts.

    Args:
        values: ``(n,)``.
        weight: ``(n,)``, above 0.
        labels: Who or what each value is of, ``n`` of each kind.

    Examples:
        >>> two = clustered(np.array([0.0, 1.0]), np.ones(2), ["ann", "bob"])
        >>> two.value, two.error
        (0.5, 0.5)
    """
    if not len(values):
        return Measured(0.0, math.inf)
    mean = float(np.average(values, weights=weight))
    left = weight * (values - mean)
    return Measured(mean, max(_error(left, of) for of in labels) / float(weight.sum()))


def _error(left: Doubles, labels: Sequence[str]) -> float:
    names, place = np.unique(np.array(labels), return_inverse=True)
    if len(names) < 2:
        return math.inf
    sums = np.bincount(place, weights=left)
    return float(np.sqrt(np.square(sums).sum() * len(names) / (len(names) - 1)))


def _within(what: str, measured: Measured, errors: float, *, by_chance: float = 0.5) -> str:
    gain = measured.value - by_chance
    if gain > errors * measured.error:
        return ""
    return (
        f"{what} is {gain:+.3f} from that of base, not above {errors:g} standard errors of "
        f"{measured.error:.3f}"
    )


def _above(what: str, value: float, limit: float) -> str:
    return "" if value <= limit else f"{what} is {value:.3f}, above {limit:g}"


def _inverse(figures: AdapterFigures) -> float:
    return 1.0 / figures.length if figures.length > 0 else math.inf


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _plain(each)
        if isinstance(each, dict)
        else None
        if isinstance(each, float) and not math.isfinite(each)
        else each
        for name, each in values.items()
    }

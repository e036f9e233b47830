"""Values of replies that were chosen by chance, so that policies can be compared afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from persona_engine.types.chat import Trace

ExplorationPolicy = Literal["thompson", "ucb", "greedy", "uniform"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the host's candidates, drawn for a person; feedback joins it by ``id``.

    Args:
        id: For `User.feedback` and `User.explain`, as that of a reply.
        text: The candidate.
        position: Its place among the candidates as given.
        propensity: Probability with which it was drawn.
        propensities: Probability of each candidate, as given.
        trace: Why; `Trace.exploration` holds the propensities too.
    """

    id: str
    text: str
    position: int
    propensity: float
    propensities: tuple[float, ...]
    trace: Trace


@dataclass(frozen=True, slots=True)
class Prediction:
    """Which of two replies a person would prefer, or that this is too unsure to say.

    Args:
        answer: ``"a"`` or ``"b"``, or None: abstained.
        probability: P(a is preferred to b), calibrated where the population is.
        promised: Share of wrong answers to expect among those that are given; at most the error
            that was asked for. None for an abstention.
        calibrated: Whether probability and promise were fitted on held-out people.
        reason: In words.
    """

    answer: Literal["a", "b"] | None
    probability: float
    promised: float | None
    calibrated: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated mean with its standard error, clustered by user."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a policy would have earned on logged choices.

    Args:
        policy: Its name.
        choices: Logged choices with feedback.
        users: People who gave it.
        unanswered: Logged choices without feedback, which say nothing.
        logged: Mean reward of what was shown.
        ips: Inverse propensity scoring: unbiased, but noisy.
        snips: The same over the sum of the weights: less noisy, biased by little.
        doubly_robust: A reward model's prediction, corrected by ``ips`` where it was wrong.
        effective: Number of choices that weigh alike and would tell as much.
        largest: Largest weight of one choice.
    """

    policy: str
    choices: int
    users: int
    unanswered: int
    logged: Estimate
    ips: Estimate
    snips: Estimate
    doubly_robust: Estimate
    effective: float
    largest: float

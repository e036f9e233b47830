"""Replays policies on logged choices."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from persona_engine.errors import InvalidInputError, NoPopulationError
from persona_engine.exploring import POLICIES, propensities
from persona_engine.interfaces import Progress, no_progress
from persona_engine.learning import Learner
from persona_engine.modelling import Doubles
from persona_engine.replay.estimators import Log, clustered, doubly_robust, ips, snips
from persona_engine.replay.logged import LoggedChoice, read_log
from persona_engine.types import ExplorationPolicy, Replayed

Policy = Callable[[LoggedChoice], Sequence[float]]
"""Returns the probability with which it would show each candidate; they sum to 1."""

_FOLDS = 2
_RIDGE = 1.0  # choices' worth of pull towards the mean reward


def replay(
    learner: Learner,
    tenant: str,
    policies: Mapping[str, Policy] | Sequence[str],
    *,
    seed: int = 0,
    progress: Progress = no_progress,
) -> tuple[Replayed, ...]:
    """Return what each policy would have earned on a tenant's logged choices.

    Args:
        learner: Whose model, features and store.
        tenant: Whose choices.
        policies: Names of `persona_engine.exploring.POLICIES` or ``first``, the host's own choice;
            or functions by name.
        seed: Of Thompson sampling's draws.
        progress: Told of users.

    Raises:
        InvalidInputError: No choice with feedback is logged, or a policy is unknown or gives no
            probabilities.
        NoPopulationError: There is none to judge candidates by.
    """
    found = _named(policies, seed)
    population = learner.population(tenant)
    if population is None:
        raise NoPopulationError(
            "no population is published for this reward model and feature space",
            remedy="run `persona fit --default`, or engine.fit_default()",
        )
    choices = list(read_log(learner, tenant, population, progress=progress))
    answered = [each for each in choices if each.reward is not None]
    if not answered:
        raise InvalidInputError(
            f"tenant {tenant!r} has {len(choices)} logged choices and none of them has feedback",
            remedy="choose with user.choose(…) and give user.feedback(choice.id, …)",
        )
    unanswered = len(choices) - len(answered)
    return tuple(_replayed(name, each, answered, unanswered) for name, each in found.items())


def _named(policies: Mapping[str, Policy] | Sequence[str], seed: int) -> dict[str, Policy]:
    if isinstance(policies, Mapping):
        return dict(policies)
    if isinstance(policies, str) or not policies:
        raise InvalidInputError(f"policies is {policies!r}, expected one or more names in a list")
    known = (*POLICIES, "first")
    for each in policies:
        if each not in known:
            raise InvalidInputError(f"policy is {each!r}, expected one of {', '.join(known)}")
    return {each: _first if each == "first" else _policy(each, seed) for each in policies}


def _policy(name: str, seed: int) -> Policy:
    policy = cast("ExplorationPolicy", name)

    def probabilities(choice: LoggedChoice) -> Sequence[float]:
        shares: list[float] = propensities(choice.rewards, policy, epsilon=0.0, seed=seed).tolist()
        return shares

    return probabilities


def _first(choice: LoggedChoice) -> Sequence[float]:
    return [1.0] + [0.0] * (len(choice.candidates) - 1)


def _replayed(
    name: str, policy: Policy, choices: Sequence[LoggedChoice], unanswered: int
) -> Replayed:
    shares = [_checked(name, policy(each), each) for each in choices]
    shown = [each.explored.position for each in choices]
    names = sorted({each.user for each in choices})
    place = {user: number for number, user in enumerate(names)}
    log = Log(
        reward=np.array([each.reward for each in choices], np.float64),
        propensity=np.array(
            [each.explored.propensities[each.explored.position] for each in choices]
        ),
        target=np.array([row[at] for row, at in zip(shares, shown, strict=True)]),
        user=np.array([place[each.user] for each in choices], np.int64),
    )
    predicted = _predicted(log.reward, choices)
    expected = np.array([row @ q for row, q in zip(shares, predicted, strict=True)])
    given = np.array([q[at] for q, at in zip(predicted, shown, strict=True)])
    return Replayed(
        policy=name,
        choices=len(choices),
        users=len(names),
        unanswered=unanswered,
        logged=clustered(log.reward, log.user),
        ips=ips(log),
        snips=snips(log),
        doubly_robust=doubly_robust(log, given, expected),
        effective=log.effective,
        largest=float(log.weight.max()),
    )


def _checked(name: str, shares: Sequence[float], choice: LoggedChoice) -> Doubles:
    row = np.asarray(shares, np.float64)
    good = row.shape == (len(choice.candidates),) and bool(np.isfinite(row).all())
    if not good or (row < 0.0).any() or abs(row.sum() - 1.0) > 1e-6:
        raise InvalidInputError(
            f"policy {name!r} gave {list(shares)!r} for {len(choice.candidates)} candidates, "
            "expected as many probabilities that sum to 1"
        )
    return row


def _predicted(reward: Doubles, choices: Sequence[LoggedChoice]) -> list[Doubles]:
    """Return predicted rewards of each choice's candidates, learned from other users' choices.

    The reward said is regressed on the relative reward believed; users are in two halves, and each
    half is predicted by what the other taught.
    """
    fold = np.array([zlib.crc32(each.user.encode()) % _FOLDS for each in choices])
    believed = np.array([float(each.rewards.mean[each.explored.position]) for each in choices])
    lines = [_line(believed[fold != each], reward[fold != each]) for each in range(_FOLDS)]
    result = []
    for each, mine in zip(choices, fold, strict=True):
        level, slope = lines[mine]
        result.append(np.clip(level + slope * each.rewards.mean.astype(np.float64), -1.0, 1.0))
    return result


def _line(believed: Doubles, reward: Doubles) -> tuple[float, float]:
    """Return level and slope of a regression with a little ridge; zero where nothing is known."""
    if not len(reward):
        return 0.0, 0.0
    centred = believed - believed.mean()
    slope = float(centred @ (reward - reward.mean())) / (float(centred @ centred) + _RIDGE)
    return float(reward.mean() - slope * believed.mean()), slope

"""With what probability each candidate is shown, when the host wants to learn from what it shows.

Thompson sampling (Thompson 1933; Chapelle & Li 2011, "An empirical evaluation of Thompson
sampling") shows a candidate as often as it is the best under the posterior; upper confidence bounds
(Auer 2002) show the one that could be best. Both explore where the person's taste is unsure, and
stop where it is known. A share ``epsilon`` is spread over all candidates, so that every propensity
is above zero and other policies can be evaluated afterwards (`persona_engine.replay`).
"""

from __future__ import annotations

from typing import get_args

import numpy as np

from persona_engine.errors import InvalidInputError, PluginError
from persona_engine.interfaces import Reward
from persona_engine.modelling import Doubles
from persona_engine.types import ExplorationPolicy, FloatArray, Score

POLICIES: tuple[str, ...] = get_args(ExplorationPolicy)
_DRAWS = 4_096


def relative_rewards(features: FloatArray, reward: Reward) -> Score:
    """Return rewards ``(B,)`` less their mean, ``std`` their joint covariance ``(B, B)``.

    The covariance comes from the spreads of all pairs' log-odds, so any reward will do: with
    ``V_ij`` the variance of ``r_i - r_j``, that of the rewards less their mean is ``-C V C / 2``,
    ``C = I - 1/B`` (Gower 1966).

    Raises:
        PluginError: The reward is not finite.
    """
    count = len(features)
    first, second = np.triu_indices(count, 1)
    variance = np.zeros((count, count))
    if len(first):
        spread = reward.logit(features[first], features[second]).std
        variance[first, second] = variance[second, first] = np.square(spread)
    mean = reward.score(features).mean
    if not (np.isfinite(mean).all() and np.isfinite(variance).all()):
        raise PluginError(
            "the reward of a candidate is not a finite number",
            remedy="infer the user's posterior again (`persona fit`)",
        )
    centre = np.eye(count) - 1.0 / count
    covariance = -0.5 * centre @ variance @ centre
    return Score((mean - mean.mean()).astype(np.float32), covariance.astype(np.float32))


def propensities(
    rewards: Score,
    policy: ExplorationPolicy,
    *,
    epsilon: float,
    optimism: float = 1.0,
    seed: int = 0,
) -> Doubles:
    """Return the probability with which each candidate is shown, ``(B,)``.

    Args:
        rewards: Of `relative_rewards`.
        policy: ``thompson``, ``ucb``, ``greedy`` or ``uniform``.
        epsilon: Share that is spread evenly.
        optimism: Standard deviations that ``ucb`` adds.
        seed: Of the draws whose shares are Thompson sampling's probabilities.

    Raises:
        InvalidInputError: There is no such policy, or a number is out of range.

    Examples:
        >>> known = Score(np.float32([1.0, 0.0]), 1e-6 * np.eye(2, dtype=np.float32))
        >>> propensities(known, "thompson", epsilon=0.1).round(3).tolist()
        [0.95, 0.05]
    """
    check_policy(policy, epsilon=epsilon, optimism=optimism)
    count = len(rewards.mean)
    shares = np.zeros(count)
    if policy == "uniform":
        shares[:] = 1.0 / count
    elif policy == "thompson":
        values, vectors = np.linalg.eigh(rewards.std.astype(np.float64))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        drawn = np.random.default_rng(seed).normal(size=(_DRAWS, count)) @ root.T
        best = (rewards.mean + drawn).argmax(1)
        shares[:] = np.bincount(best, minlength=count) / _DRAWS
    else:
        extra = optimism * np.sqrt(np.maximum(np.diag(rewards.std), 0.0))
        shares[int(np.argmax(rewards.mean + (extra if policy == "ucb" else 0.0)))] = 1.0
    mixed: Doubles = (1.0 - epsilon) * shares + epsilon / count
    return mixed


def check_policy(policy: object, *, epsilon: float, optimism: float) -> None:
    """Raise unless a policy can be followed.

    Raises:
        InvalidInputError: There is no such policy, or a number is out of range.
    """
    if policy not in POLICIES:
        raise InvalidInputError(f"explore is {policy!r}, expected one of {', '.join(POLICIES)}")
    for name, value, high in (("epsilon", epsilon, 1.0), ("optimism", optimism, 100.0)):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0.0 <= value <= high:
            raise InvalidInputError(f"{name} is {value!r}, expected a number from 0 to {high:g}")

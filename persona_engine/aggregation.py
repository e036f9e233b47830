"""One reply for several people: orders candidates by the rewards of all who share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.types import FloatArray, IntArray, Score

Rule = Literal["mean", "maxmin", "leximin"]
RULES: tuple[Rule, ...] = get_args(Rule)


@dataclass(frozen=True, slots=True, eq=False)
class SharedOrder:
    """An order of candidates for several people.

    Args:
        order: Positions of the candidates, best first.
        rewards: ``(B,)`` what the rule maximises: the mean over people, or the least of them; each
            person's reward is relative to their mean over the candidates.
        spreads: ``(B,)`` standard deviation of it.
        least_pleased: ``(B,)`` the person whom each candidate pleases least.
    """

    order: tuple[int, ...]
    rewards: FloatArray
    spreads: FloatArray
    least_pleased: IntArray


def aggregate(
    score: Score, *, rule: Rule = "maxmin", weight: Sequence[float] | FloatArray | None = None
) -> SharedOrder:
    """Order ``B`` candidates for ``U`` people who share the reply.

    - ``mean``: ``max_x Σ_u weight_u r_u(x)``: most pleasure on the whole; a minority may get none.
    - ``maxmin``: ``max_x min_u r_u(x)``, the egalitarian rule of MaxMin-RLHF (Chakraborty et al.
      2024, arXiv:2402.08925; Sen 1970, "Collective Choice and Social Welfare"). Candidates that
      please their least pleased person alike are ordered by the mean.
    - ``leximin``: as maxmin, but candidates that tie there are ordered by the second least pleased,
      and so on (Sen 1970).

    Rewards are compared between people, so they must be on one scale: log-odds of a comparison, as
    every reward model of this engine gives them. A person's reward is known up to a constant only,
    so each is taken relative to that person's mean over the candidates.

    Args:
        score: Rewards ``(U, B)`` of any reward model, as `RewardModel.score` returns them.
        rule: How rewards of several people become one order.
        weight: ``(U,)`` how much each person counts in a mean; alike if omitted. A person of weight
            0 is left out under every rule.

    Raises:
        InvalidInputError: Shapes disagree, there is nobody or nothing to order, a reward is not
            finite, a weight is negative, or there is no such rule.

    Examples:
        >>> rewards = np.float32([[3.0, 2.0, 0.0], [3.0, 2.0, 0.0], [0.0, 1.0, 1.5]])
        >>> score = Score(rewards, np.zeros_like(rewards))
        >>> [aggregate(score, rule=rule).order[0] for rule in ("mean", "maxmin")]
        [0, 1]
    """
    _check(score, rule)
    share = _shares(weight, len(score.mean))
    people = np.flatnonzero(share > 0)
    relative = score.mean[people].astype(np.float64)  # (U, B)
    relative -= relative.mean(1, keepdims=True)
    worst = relative.argmin(0)  # (B,)
    mean = share[people] @ relative
    everything = np.arange(relative.shape[1])
    if rule == "mean":
        rewards, keys = mean, [mean]
        spreads = np.sqrt(np.square(share[people]) @ np.square(score.std[people]))
    else:
        rewards, spreads = relative[worst, everything], score.std[people][worst, everything]
        keys = [rewards, mean] if rule == "maxmin" else list(np.sort(relative, axis=0))
    # lexsort is stable and takes its last key first; rounding makes ties of float noise
    order = np.lexsort([-np.round(key, 6) for key in reversed(keys)])
    return SharedOrder(
        tuple(int(each) for each in order),
        rewards.astype(np.float32),
        spreads.astype(np.float32),
        people[worst],
    )


def _check(score: Score, rule: str) -> None:
    if rule not in RULES:
        raise InvalidInputError(f"rule is {rule!r}, expected one of {', '.join(RULES)}")
    if score.mean.ndim != 2 or score.std.shape != score.mean.shape or not score.mean.size:
        raise InvalidInputError(
            f"rewards have shape {score.mean.shape} and spreads {score.std.shape}, "
            "expected both (people, candidates), at least one of each"
        )
    if not (np.isfinite(score.mean).all() and np.isfinite(score.std).all()):
        raise InvalidInputError("a reward is not a finite number")


def _shares(weight: Sequence[float] | FloatArray | None, people: int) -> NDArray[np.float64]:
    share = np.ones(people) if weight is None else np.asarray(weight, np.float64)
    if share.shape != (people,) or not (share >= 0).all() or not 0 < share.sum() < np.inf:
        raise InvalidInputError(
            f"weight is {weight!r}, expected {people} numbers from 0 on, one a person, not all 0"
        )
    shares: NDArray[np.float64] = share / share.sum()
    return shares

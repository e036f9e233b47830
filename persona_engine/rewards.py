"""Rewards made of others: a host's function, several people's together, and weighted sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

import numpy as np

from persona_engine.aggregation import aggregate
from persona_engine.belief import Tabulated
from persona_engine.errors import InvalidInputError, PluginError
from persona_engine.interfaces import Reward, TextReward
from persona_engine.types import FloatArray, Score

TextFunction = Callable[[Sequence[str]], Sequence[float] | FloatArray | Score]
"""A host's function: rewards of ``B`` replies, ``(B,)`` or a `Score` with their spread."""

SharedRule = Literal["mean", "maxmin"]

OWN: Final = "user"
"""Names the person's own posterior among rewards."""


@dataclass(frozen=True, slots=True)
class Together:
    """The rewards of several people of one tenant who share a reply.

    Args:
        users: Their names, each once.
        rule: ``mean`` pleases most on the whole, ``maxmin`` whoever is pleased least; see
            `persona_engine.aggregation.aggregate`.

    Raises:
        InvalidInputError: There is nobody, somebody is named twice, or there is no such rule.

    Examples:
        >>> Together(("alice", "bob")).rule
        'maxmin'
    """

    users: Sequence[str]
    rule: SharedRule = "maxmin"

    def __post_init__(self) -> None:
        several = not isinstance(self.users, str) and len(self.users) > 0
        if not several or len(set(self.users)) < len(self.users):
            raise InvalidInputError(
                f"users is {self.users!r}, expected one or more names, each once"
            )
        if self.rule not in get_args(SharedRule):
            raise InvalidInputError(f"rule is {self.rule!r}, expected mean or maxmin")


RewardPart = Literal["user"] | TextFunction | Together | Reward
RewardChoice = RewardPart | Sequence[tuple[RewardPart, float]]
"""What a search climbs: one reward, or a weighted sum of several."""


def reward_parts(choice: RewardChoice) -> tuple[tuple[RewardPart, float], ...]:
    """Return what a host wants a search to climb as a sum.

    Raises:
        InvalidInputError: It is no reward and no list of rewards with weights.

    Examples:
        >>> reward_parts("user")
        (('user', 1.0),)
        >>> len(reward_parts([("user", 1.0), (Together(["bob"]), 0.5)]))
        2
    """
    if _is_part(choice):
        return ((cast(RewardPart, choice), 1.0),)
    if isinstance(choice, list | tuple) and choice and all(map(_is_pair, choice)):
        _check_weights([weight for _, weight in choice])
        return tuple((reward, float(weight)) for reward, weight in choice)
    raise InvalidInputError(
        f"reward is {ascii(choice)[:120]}, expected 'user', a function of texts, "
        "persona_engine.rewards.Together(…), or a list of such with their weights: (reward, weight)"
    )


def compose(parts: Sequence[tuple[Reward, float]]) -> Reward | None:
    """Return one reward of several; None of none, and a single one of weight 1 as it is."""
    if not parts:
        return None
    (reward, weight), *others = parts
    return reward if not others and weight == 1.0 else Weighted(parts)


class HostReward:
    """A host's function of finished texts, as any decoder takes it.

    It is asked once for all candidates. Unfinished text is not shown to it and counts alike, so
    searches by block or token are led by what else is in the sum, and choose at the end by all.

    Args:
        function: Returns log-odds-like rewards of texts, ``(B,)``, or a `Score` of them; without
            one it is taken to be sure.

    Examples:
        >>> reward = HostReward(lambda texts: [-len(text) / 100 for text in texts])
        >>> rows, known = reward.of_texts(["short", "rather longer"], np.zeros((2, 4)))
        >>> known.score(rows).mean.astype(float).round(2).tolist()
        [-0.05, -0.13]
    """

    def __init__(self, function: TextFunction) -> None:
        self._function = function

    def of_texts(
        self,
        texts: Sequence[str],
        features: FloatArray,  # noqa: ARG002  # a function of texts reads none
    ) -> tuple[FloatArray, Reward]:
        """Return stand-in features ``(B, B)`` of texts, and a reward that knows them.

        Raises:
            PluginError: The function returned other than one finite number for each text.
        """
        found = self._function(list(texts))
        mean = found.mean if isinstance(found, Score) else found
        std = found.std if isinstance(found, Score) else np.zeros(len(texts), np.float32)
        table = Tabulated(_column(mean, len(texts)), _column(std, len(texts)))
        return np.eye(len(texts), dtype=np.float32), table

    def score(self, features: FloatArray) -> Score:
        """Return nothing: unfinished text counts alike."""
        return _nothing(len(features))

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        """Return nothing."""
        return _nothing(min(len(a), len(b)))


def host_reward(part: Reward | TextFunction) -> Reward:
    """Return a host's reward, or its function as one."""
    return cast(Reward, part) if _is_reward(part) else HostReward(cast(TextFunction, part))


def _with_texts(
    parts: Sequence[Reward], texts: Sequence[str], features: FloatArray
) -> tuple[FloatArray, list[Reward]]:
    """Return the features with what those parts read that read words, and parts that read both."""
    blocks, known, width = [features], [], features.shape[1]
    for part in parts:
        if not isinstance(part, TextReward):
            known.append(_Columns(part, 0, features.shape[1]))
            continue
        rows, reward = part.of_texts(texts, features)
        known.append(_Columns(reward, width, width + rows.shape[1]))
        blocks.append(rows)
        width += rows.shape[1]
    return np.hstack(blocks).astype(np.float32), [*known]


class Weighted:
    """A weighted sum: mean Σ w_i μ_i, and spread √(Σ w_i² σ_i²) as of independent parts.

    Args:
        parts: Rewards and their weights; a weight may be negative.

    Raises:
        InvalidInputError: There is no part, or a weight is not a finite number.
    """

    def __init__(self, parts: Sequence[tuple[Reward, float]]) -> None:
        if not parts:
            raise InvalidInputError("the sum has no reward, expected at least one")
        _check_weights([weight for _, weight in parts])
        self._parts = tuple(reward for reward, _ in parts)
        self._weights = np.array([weight for _, weight in parts], np.float64)

    def score(self, features: FloatArray) -> Score:
        """Return rewards ``(B,)`` of features ``(B, D)``."""
        return self._sum([each.score(features) for each in self._parts])

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        """Return log-odds ``(B,)`` that ``a`` is preferred to ``b``, row by row."""
        return self._sum([each.logit(a, b) for each in self._parts])

    def _sum(self, scores: Sequence[Score]) -> Score:
        mean = self._weights @ np.array([each.mean for each in scores], np.float64)
        variance = np.square(self._weights) @ np.square([each.std for each in scores])
        return Score(mean.astype(np.float32), np.sqrt(variance).astype(np.float32))

    def of_texts(self, texts: Sequence[str], features: FloatArray) -> tuple[FloatArray, Reward]:
        """Return features that all parts read, and the sum that knows the texts."""
        rows, parts = _with_texts(self._parts, texts, features)
        return rows, Weighted(list(zip(parts, self._weights.tolist(), strict=True)))


class Shared:
    """The rewards of several people who share a reply, under one rule.

    - ``mean``: Σ_u r_u / U.
    - ``maxmin``: min_u r_u, each relative to that person's mean over what is compared (MaxMin-RLHF,
      Chakraborty et al. 2024, arXiv 2402.08925). Of a pair that is
      (min_u ℓ_u + max_u ℓ_u) / 2 of the people's log-odds ℓ_u: what the least pleased person
      gains by it, and loses by the other.

    Args:
        people: One reward for each person.
        rule: How they become one.

    Raises:
        InvalidInputError: There is nobody.
    """

    def __init__(self, people: Sequence[Reward], *, rule: SharedRule = "maxmin") -> None:
        if not people:
            raise InvalidInputError("nobody shares the reply, expected at least one person")
        self._parts = tuple(people)
        self._rule: SharedRule = rule

    def score(self, features: FloatArray) -> Score:
        """Return what the rule maximises, ``(B,)``."""
        scores = [each.score(features) for each in self._parts]
        together = Score(np.array([s.mean for s in scores]), np.array([s.std for s in scores]))
        found = aggregate(together, rule=self._rule)
        return Score(found.rewards, found.spreads)

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        """Return log-odds ``(B,)`` that ``a`` is preferred to ``b``, row by row."""
        pairs = [each.logit(a, b) for each in self._parts]
        mean, std = np.array([p.mean for p in pairs]), np.array([p.std for p in pairs])  # (U, B)
        if self._rule == "mean":
            spread = np.sqrt(np.square(std).sum(0)) / len(pairs)
            return Score(mean.mean(0), spread.astype(np.float32))
        rows = np.arange(mean.shape[1])
        least, most = mean.argmin(0), mean.argmax(0)
        # With one person both are the same, whose spread then counts in full.
        apart = np.hypot(std[least, rows], std[most, rows]) / 2
        spread = np.where(least == most, std[least, rows], apart)
        middle = (mean[least, rows] + mean[most, rows]) / 2
        return Score(middle.astype(np.float32), spread.astype(np.float32))

    def of_texts(self, texts: Sequence[str], features: FloatArray) -> tuple[FloatArray, Reward]:
        """Return features that everybody's reward reads, and the rule that knows the texts."""
        rows, people = _with_texts(self._parts, texts, features)
        return rows, Shared(people, rule=self._rule)


@dataclass(frozen=True, slots=True)
class _Columns:
    """A reward that reads some columns of wider features."""

    reward: Reward
    first: int
    end: int

    def score(self, features: FloatArray) -> Score:
        return self.reward.score(features[:, self.first : self.end])

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        return self.reward.logit(a[:, self.first : self.end], b[:, self.first : self.end])


def _is_part(value: object) -> bool:
    if isinstance(value, str):
        return value == OWN
    return isinstance(value, Together) or callable(value) or _is_reward(value)


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and _is_part(value[0])


def _is_reward(value: object) -> bool:
    return callable(getattr(value, "score", None)) and callable(getattr(value, "logit", None))


def _check_weights(weights: Sequence[object]) -> None:
    for weight in weights:
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not np.isfinite(cast(float, weight)):
            raise InvalidInputError(f"weight is {weight!r}, expected a finite number")


def _column(values: Sequence[float] | FloatArray, count: int) -> FloatArray:
    try:
        column = np.asarray(values, np.float32)
    except (TypeError, ValueError) as error:
        raise _wrong(values, count) from error
    if column.shape != (count,) or not np.isfinite(column).all():
        raise _wrong(values, count)
    return column


def _wrong(values: object, count: int) -> PluginError:
    return PluginError(
        f"the reward function returned {ascii(values)[:120]} for {count} texts, "
        f"expected {count} finite numbers",
        remedy="return one number for each text, in their order",
    )


def _nothing(count: int) -> Score:
    return Score(np.zeros(count, np.float32), np.zeros(count, np.float32))

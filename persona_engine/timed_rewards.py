"""What a reward costs inside a search that asks it many times."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from persona_engine.interfaces import Reward, TextReward
from persona_engine.observing import Observation
from persona_engine.types import FloatArray, Score


@dataclass(slots=True)
class _Clock:
    """Seconds and calls, of one search in one thread."""

    seconds: float = 0.0
    calls: int = 0

    @contextmanager
    def runs(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started
            self.calls += 1


@dataclass(frozen=True, slots=True)
class _Timed:
    """A reward whose calls are timed."""

    reward: Reward
    clock: _Clock

    def score(self, features: FloatArray) -> Score:
        with self.clock.runs():
            return self.reward.score(features)

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        with self.clock.runs():
            return self.reward.logit(a, b)


@dataclass(frozen=True, slots=True)
class _TimedTexts(_Timed):
    """A reward of texts whose calls are timed."""

    def of_texts(self, texts: Sequence[str], features: FloatArray) -> tuple[FloatArray, Reward]:
        assert isinstance(self.reward, TextReward), "made for rewards of texts only"
        with self.clock.runs():
            rows, known = self.reward.of_texts(texts, features)
        return rows, _Timed(known, self.clock)


@contextmanager
def timed_reward(reward: Reward | None, observation: Observation) -> Iterator[Reward | None]:
    """Give a reward that does the same, and tell at the end what all its calls took.

    Args:
        reward: What a search climbs, or None.
        observation: Is told; while nobody observes, the reward is given as it is.
    """
    if reward is None or not observation.on:
        yield reward
        return
    clock = _Clock()
    timed = _TimedTexts if isinstance(reward, TextReward) else _Timed
    try:
        yield timed(reward, clock)
    finally:
        observation.took("reward", clock.seconds, calls=clock.calls)

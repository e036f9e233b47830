"""What decoders are checked on: rewards that are known, and a language model that takes notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from persona_engine.interfaces import Decoder, Generator, Reward
from persona_engine.testing.bigram import BigramGenerator
from persona_engine.testing.bigram_branches import BigramBranches
from persona_engine.types import (
    Conversation,
    DecodingRequest,
    FloatArray,
    Generation,
    Mending,
    Prompt,
    Sampling,
    Score,
)

DecoderFactory = Callable[[], Decoder]
MENDED = "so "


class LinearReward:
    """The reward r(x) = w·x, as sure as it is told to be."""

    def __init__(self, taste: FloatArray, *, spread: float) -> None:
        self.taste = taste
        self.spread = spread

    def score(self, features: FloatArray) -> Score:
        """Return rewards ``(B,)`` of features ``(B, D)``."""
        mean = (features @ self.taste).astype(np.float32)
        return Score(mean, np.full_like(mean, self.spread))

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        """Return log-odds ``(B,)`` that ``a`` is preferred to ``b``."""
        mean = ((a - b) @ self.taste).astype(np.float32)
        apart = np.any(a != b, axis=-1)
        return Score(mean, np.where(apart, self.spread, 0.0).astype(np.float32))


class WantsMended:
    """A reward that reads words, and wants those that `mend` gives."""

    def of_texts(
        self, texts: Sequence[str], features: FloatArray
    ) -> tuple[FloatArray, LinearReward]:
        """Return 1 for a mended text and 0 for others, ``(B, 1)``, and a reward of that."""
        mended = np.zeros((len(features), 1), np.float32)
        mended[:, 0] = [text.startswith(MENDED) for text in texts]
        return mended, LinearReward(np.array([20.0], np.float32), spread=1e-3)

    def score(self, features: FloatArray) -> Score:
        """Return nothing for unfinished text."""
        nothing = np.zeros(len(features), np.float32)
        return Score(nothing, nothing)

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        """Return nothing for unfinished text."""
        return self.score(a - b)


def mend(texts: Sequence[str]) -> tuple[Mending | None, ...]:
    """Return every text but the first as it begins otherwise."""
    return (None, *(Mending(MENDED + text, ("began otherwise",)) for text in texts[1:]))


class DecoderSubject:
    """A decoder under test, a language model, and users with known rewards."""

    def __init__(self, factory: DecoderFactory) -> None:
        self.factory = factory
        self.conversation: Conversation = [{"role": "user", "content": "Where shall we go ?"}]

    @cached_property
    def decoder(self) -> Decoder:
        """One instance that the checks share."""
        return self.factory()

    @cached_property
    def generator(self) -> Generator:
        """A small language model."""
        return BigramGenerator()

    @property
    def sure(self) -> LinearReward:
        """A reward that tells any two different replies apart."""
        return LinearReward(self._taste, spread=1e-3)

    @property
    def unsure(self) -> LinearReward:
        """A reward far too uncertain to tell replies apart."""
        return LinearReward(1e-3 * self._taste, spread=1e3)

    @cached_property
    def _taste(self) -> FloatArray:
        width = self.generator.feature_encoder.width
        return (20.0 * np.random.default_rng(3).normal(size=width)).astype(np.float32)

    def request(self, seed: int, **sampling: object) -> DecodingRequest:
        """Return a request for four candidates of at most twelve words."""
        settings = Sampling(**{"temperature": 1.0, "top_p": 1.0, "max_tokens": 12, **sampling})  # type: ignore[arg-type]
        return DecodingRequest(self.conversation, settings, candidates=4, seed=seed)

    def generate(self, reward: Reward | None, seed: int, **sampling: object) -> Generation:
        """Return what the decoder makes of a request."""
        return self.decoder.generate(self.request(seed, **sampling), self.generator, reward)

    def plain(self, seed: int) -> str:
        """Return what sampling alone gives."""
        branches = self.generator.prefill(self.conversation, branches=1, seed=seed)
        while True:
            result = branches.step(self.request(seed).sampling)
            if result.finished[0]:
                return result.texts[0]


class NotedGenerator(BigramGenerator):
    """Notes with which adapters replies were begun; adapters change nothing in it."""

    def __init__(self) -> None:
        super().__init__()
        self.adapters: set[str | None] = set()

    def prefill_each(self, prompts: Sequence[Prompt], *, seed: int) -> BigramBranches:
        """Return one branch for each prompt; what is read after the first ones is not noted."""
        self.adapters = self.adapters or {each.readings[0].adapter for each in prompts}
        return super().prefill_each(prompts, seed=seed)

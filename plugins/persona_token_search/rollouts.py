"""Rollouts that the prefix value head learns from: replies with their features at every token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persona_engine.interfaces import Generator
from persona_engine.types import Conversation, FloatArray, Message, Sampling

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True, eq=False)
class Rollouts:
    """Replies to one prompt.

    Args:
        features: After each token, ``(T, n, D)``.
        tokens: How many each reply has by then, ``(T, n)``.
    """

    features: FloatArray
    tokens: NDArray[np.int64]

    def growing(self, tokens: int) -> NDArray[np.intp]:
        """Return which replies have more than so many tokens."""
        return np.flatnonzero(self.tokens[-1] > tokens)

    def newest(self, tokens: int, width: int) -> FloatArray:
        """Return the hidden state ``(n, width)`` of each growing reply's token of that number."""
        kept = self.growing(tokens)
        before = 0.0 if tokens == 1 else (tokens - 1) * self.features[tokens - 2][kept, :width]
        state: FloatArray = tokens * self.features[tokens - 1][kept, :width] - before
        return state

    def rest(self, tokens: int, width: int) -> FloatArray:
        """Return the mean hidden state ``(n, width)`` of what follows in each growing reply."""
        kept = self.growing(tokens)
        lengths = self.tokens[-1][kept][:, None]
        total = lengths * self.features[-1][kept, :width]
        said = tokens * self.features[tokens - 1][kept, :width]
        mean: FloatArray = ((total - said) / (lengths - tokens)).astype(np.float32)
        return mean


def conversations(*, seed: int) -> list[Conversation]:
    """Return requests of everyday life; every second one with an instruction on style."""
    rng = np.random.default_rng(seed)
    styles = _lines("styles.txt")
    found: list[Conversation] = []
    for place, request in enumerate(_lines("prompts.txt")):
        said: list[Message] = [{"role": "user", "content": request}]
        if place % 2:
            said.insert(0, {"role": "system", "content": str(rng.choice(styles))})
        found.append(said)
    return found


def roll_out(
    generator: Generator, *, prompts: int, replies: int, tokens: int, cache: Path | None = None
) -> Iterator[Rollouts]:
    """Grow replies to some prompts; those in the cache's folder are read from there.

    Args:
        generator: The language model.
        prompts: How many, drawn from the list.
        replies: To each of them.
        tokens: Longest reply.
        cache: Folder to keep them in, or None.
    """
    asked = conversations(seed=0)
    for place in np.random.default_rng(1).permutation(len(asked))[:prompts].tolist():
        path = None if cache is None else cache / f"{place:03d}.npz"
        if path is not None and path.is_file():
            with np.load(path, allow_pickle=False) as stored:
                yield Rollouts(stored["feats"], stored["tokens"])
            continue
        grown = _grow(generator, asked[place], replies=replies, tokens=tokens, seed=1000 + place)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, feats=grown.features, tokens=grown.tokens)
        yield grown


def _grow(
    generator: Generator, conversation: Conversation, *, replies: int, tokens: int, seed: int
) -> Rollouts:
    branches = generator.prefill(conversation, branches=replies, seed=seed)
    features, counts = [], []
    while True:
        result = branches.step(Sampling(max_tokens=tokens))
        features.append(branches.features())
        counts.append(branches.token_counts)
        if all(result.finished):
            return Rollouts(np.stack(features), np.array(counts, np.int64))


def _lines(name: str) -> list[str]:
    return (DATA / name).read_text(encoding="utf-8").splitlines()

"""A language model small enough for a test: bigrams of words, in numpy.

It is a whole `Generator`: it samples, forks, drops and gives features of what it wrote. Decoders
are checked on it, and hosts can run their own tests on it without any weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.types import Conversation, FloatArray, Sampling, StepResult

_TEXT = """
take the short way home and rest .
take a warm coat and a good book .
the good book says rest is a gift .
a short rest is a good way to think .
think of the long way and take a friend .
a friend is a gift and a warm home is too .
the long way home is warm and good to think of .
"""
_END = 0
_FEATURES = 8


class BigramGenerator:
    """Samples the next word given the last: P(w | v) = (n(v, w) + s) / Σ_w' (n(v, w') + s).

    Additive smoothing s keeps every word possible (Jurafsky & Martin 2025, "Speech and Language
    Processing", chapter 3). The prompt only decides where the text starts.

    Args:
        smoothing: Added to each count.

    Examples:
        >>> branches = BigramGenerator().prefill(
        ...     [{"role": "user", "content": "Where to?"}], branches=2, seed=1
        ... )
        >>> len(branches.step(Sampling()).texts)
        2
    """

    name = "bigram"

    def __init__(self, *, smoothing: float = 0.05) -> None:
        sentences = [line.split() for line in _TEXT.split("\n") if line]
        self.words = ("", *sorted({word for sentence in sentences for word in sentence}))
        self._ids = {word: n for n, word in enumerate(self.words)}
        counts = np.full((len(self.words),) * 2, smoothing)  # (V, V)
        for sentence in sentences:
            ids = [_END, *(self._ids[word] for word in sentence), _END]
            np.add.at(counts, (ids[:-1], ids[1:]), 1.0)
        counts[_END, _END] = 0.0  # a reply has at least one word
        self.log_probs = np.log(np.maximum(counts, 1e-300) / counts.sum(1, keepdims=True))

    @cached_property
    def feature_encoder(self) -> BigramEncoder:
        """The encoder whose features the branches give."""
        return BigramEncoder(self.words)

    def prefill(self, conversation: Conversation, *, branches: int, seed: int) -> BigramBranches:
        """Return that many branches, each with random numbers of its own."""
        if branches < 1:
            raise InvalidInputError(f"branches is {branches!r}, expected at least 1")
        return BigramBranches(self, self._start(conversation), branches=branches, seed=seed)

    def _start(self, conversation: Conversation) -> int:
        said = conversation[-1]["content"].split() if conversation else []
        return self._ids.get(said[-1], _END) if said else _END

    def log_likelihood(
        self, conversations: Sequence[Conversation], responses: Sequence[str]
    ) -> FloatArray:
        """Return the summed log-probability ``(n,)`` of the words; unknown ones are like any."""
        pairs = zip(conversations, responses, strict=True)
        return np.asarray([self._log_likelihood(each, text) for each, text in pairs], np.float32)

    def _log_likelihood(self, conversation: Conversation, text: str) -> float:
        total, last = 0.0, self._start(conversation)
        for word in text.split():
            following = self._ids.get(word, _END)
            total += self.log_probs[last, following] if following else -np.log(len(self.words))
            last = following
        return total

    def count_tokens(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())


class BigramEncoder:
    """Mean of fixed random word vectors; unknown words count as silence."""

    width = _FEATURES

    def __init__(self, words: Sequence[str]) -> None:
        self._ids = {word: n for n, word in enumerate(words)}
        self.vectors = np.random.default_rng(7).normal(size=(len(words), _FEATURES))
        self.vectors[_END] = 0.0
        self.fingerprint = f"bigram/{len(words)}/{_FEATURES}"

    def encode(
        self,
        prompts: Sequence[Conversation],  # noqa: ARG002  # words alone decide
        responses: Sequence[str],
    ) -> FloatArray:
        """Return features ``(n, 8)`` of the responses; prompts make no difference."""
        rows = [
            self.pool([self._ids.get(word, _END) for word in text.split()]) for text in responses
        ]
        return np.asarray(rows, np.float32).reshape(len(responses), _FEATURES)

    def pool(self, tokens: Sequence[int]) -> NDArray[np.float64]:
        """Return the mean vector ``(8,)`` of tokens, zero without any."""
        total: NDArray[np.float64] = self.vectors[list(tokens)].sum(0)
        return total / max(len(tokens), 1)


@dataclass(frozen=True, slots=True)
class _Branch:
    rng: np.random.Generator
    last: int
    tokens: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = field(default=())
    finished: bool = False


class BigramBranches:
    """`persona_engine.interfaces.Branches` of a `BigramGenerator`."""

    def __init__(self, model: BigramGenerator, start: int, *, branches: int, seed: int) -> None:
        self._model = model
        self._seed = seed
        self._streams = 0
        self._branches = [_Branch(self._new_rng(), start) for _ in range(branches)]

    @property
    def size(self) -> int:
        """Number of branches, ended ones included."""
        return len(self._branches)

    @property
    def token_counts(self) -> tuple[int, ...]:
        """Words that each branch has written."""
        return tuple(len(branch.tokens) for branch in self._branches)

    @property
    def log_probs(self) -> FloatArray:
        """Summed log-probability of each branch, ``(B,)``."""
        return np.asarray([sum(branch.log_probs) for branch in self._branches], np.float32)

    def step(self, sampling: Sampling) -> StepResult:
        """Append one word to each branch that has not ended."""
        self._branches = [
            branch if branch.finished else self._extend(branch, sampling)
            for branch in self._branches
        ]
        texts = tuple(map(self._text, self._branches))
        return StepResult(texts, tuple(branch.finished for branch in self._branches))

    def features(self) -> FloatArray:
        """Return the features ``(B, 8)`` of the texts so far."""
        encoder = self._model.feature_encoder
        rows = [encoder.pool(branch.tokens) for branch in self._branches]
        return np.asarray(rows, np.float32).reshape(self.size, _FEATURES)

    def fork(self, indices: Sequence[int]) -> None:
        """Continue with these branches; a repeated one draws random numbers of its own."""
        chosen = [self._branches[index] for index in indices]
        self._branches = [
            replace(branch, rng=self._new_rng()) if index in indices[:position] else branch
            for position, (index, branch) in enumerate(zip(indices, chosen, strict=True))
        ]

    def drop(self, indices: Sequence[int]) -> None:
        """Give up these branches."""
        self.fork([index for index in range(self.size) if index not in set(indices)])

    def _extend(self, branch: _Branch, sampling: Sampling) -> _Branch:
        row = self._model.log_probs[branch.last]  # (V,)
        token = _draw(row, branch.rng.random(), sampling)
        if token == _END:
            return replace(branch, finished=True)
        tokens = (*branch.tokens, token)
        extended = replace(
            branch,
            last=token,
            tokens=tokens,
            log_probs=(*branch.log_probs, float(row[token])),
            finished=len(tokens) >= sampling.max_tokens,
        )
        stopped = any(stop in self._text(extended) for stop in sampling.stop)
        return replace(branch, finished=True) if stopped else extended

    def _text(self, branch: _Branch) -> str:
        return " ".join(self._model.words[token] for token in branch.tokens)

    def _new_rng(self) -> np.random.Generator:
        self._streams += 1
        return np.random.default_rng([self._seed, self._streams])


def _draw(log_probs: NDArray[np.float64], uniform: float, sampling: Sampling) -> int:
    if sampling.temperature == 0.0:
        return int(log_probs.argmax())
    scaled = np.exp((log_probs - log_probs.max()) / sampling.temperature)
    order = np.argsort(-scaled, kind="stable")
    share = scaled[order] / scaled.sum()
    kept = np.where(np.cumsum(share) - share < sampling.top_p, share, 0.0)
    return int(order[np.searchsorted(np.cumsum(kept), uniform * kept.sum(), side="right")])

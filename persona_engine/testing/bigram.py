"""A language model small enough for a test: bigrams of words, in numpy.

It is a whole `Generator`: it samples, forks, drops and gives features of what it wrote. Decoders
are checked on it, and hosts can run their own tests on it without any weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.testing.bigram_branches import END, BigramBranches
from persona_engine.types import Conversation, FloatArray, Prompt, Reading

_TEXT = """
take the short way home and rest .
take a warm coat and a good book .
the good book says rest is a gift .
a short rest is a good way to think .
think of the long way and take a friend .
a friend is a gift and a warm home is too .
the long way home is warm and good to think of .
"""
_FEATURES = 8


class BigramGenerator:
    """Samples the next word given the last: P(w | v) = (n(v, w) + s) / Σ_w' (n(v, w') + s).

    Additive smoothing s keeps every word possible (Jurafsky & Martin 2025, "Speech and Language
    Processing", chapter 3). The prompt only decides where the text starts.

    Args:
        smoothing: Added to each count.

    Examples:
        >>> from persona_engine.types import Sampling
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
            ids = [END, *(self._ids[word] for word in sentence), END]
            np.add.at(counts, (ids[:-1], ids[1:]), 1.0)
        counts[END, END] = 0.0  # a reply has at least one word
        self.log_probs = np.log(np.maximum(counts, 1e-300) / counts.sum(1, keepdims=True))

    @cached_property
    def feature_encoder(self) -> BigramEncoder:
        """The encoder whose features the branches give."""
        return BigramEncoder(self.words)

    def prefill(self, conversation: Conversation, *, branches: int, seed: int) -> BigramBranches:
        """Return that many branches, each with random numbers of its own."""
        if branches < 1:
            raise InvalidInputError(f"branches is {branches!r}, expected at least 1")
        return self.prefill_each([Prompt((Reading(conversation),))] * branches, seed=seed)

    def prefill_each(self, prompts: Sequence[Prompt], *, seed: int) -> BigramBranches:
        """Return one branch for each prompt."""
        if not prompts:
            raise InvalidInputError("there is no prompt, expected at least one")
        return BigramBranches(self, prompts, seed=seed)

    def start(self, conversation: Conversation) -> int:
        """Return the word that a reply follows."""
        said = conversation[-1]["content"].split() if conversation else []
        return self._ids.get(said[-1], END) if said else END

    def log_likelihood(
        self, conversations: Sequence[Conversation], responses: Sequence[str]
    ) -> FloatArray:
        """Return the summed log-probability ``(n,)`` of the words; unknown ones are like any."""
        pairs = zip(conversations, responses, strict=True)
        return np.asarray([self._log_likelihood(each, text) for each, text in pairs], np.float32)

    def _log_likelihood(self, conversation: Conversation, text: str) -> float:
        total, last = 0.0, self.start(conversation)
        for word in text.split():
            following = self._ids.get(word, END)
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
        self.vectors[END] = 0.0
        self.fingerprint = f"bigram/{len(words)}/{_FEATURES}"

    def encode(
        self,
        prompts: Sequence[Conversation],  # noqa: ARG002  # words alone decide
        responses: Sequence[str],
    ) -> FloatArray:
        """Return features ``(n, 8)`` of the responses; prompts make no difference."""
        rows = [
            self.pool([self._ids.get(word, END) for word in text.split()]) for text in responses
        ]
        return np.asarray(rows, np.float32).reshape(len(responses), _FEATURES)

    def pool(self, tokens: Sequence[int]) -> NDArray[np.float64]:
        """Return the mean vector ``(8,)`` of tokens, zero without any."""
        total: NDArray[np.float64] = self.vectors[list(tokens)].sum(0)
        return total / max(len(tokens), 1)

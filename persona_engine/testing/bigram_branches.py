"""Replies of the bigram model that grow together."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.types import FloatArray, IntArray, Prompt, Sampling, StepResult

if TYPE_CHECKING:
    from persona_engine.testing.bigram import BigramGenerator

END = 0


@dataclass(frozen=True, slots=True)
class _Branch:
    rng: np.random.Generator
    prompt: Prompt
    starts: tuple[int, ...]  # the word that the reply follows in each reading
    tokens: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = field(default=())
    finished: bool = False

    @property
    def last(self) -> tuple[int, ...]:
        """The newest word, in each reading."""
        return self.tokens[-1:] * len(self.starts) or self.starts


class BigramBranches:
    """`persona_engine.interfaces.Branches` of a `BigramGenerator`.

    Args:
        model: The language model.
        prompts: What each branch continues.
        seed: Decides every draw.
    """

    def __init__(self, model: BigramGenerator, prompts: Sequence[Prompt], *, seed: int) -> None:
        self._model = model
        self._seed = seed
        self._streams = 0
        self._branches = [
            _Branch(
                self._new_rng(), each, tuple(model.start(r.conversation) for r in each.readings)
            )
            for each in prompts
        ]

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
        """Summed log-probability of each branch under its first reading, ``(B,)``."""
        return np.asarray([sum(branch.log_probs) for branch in self._branches], np.float32)

    def step(self, sampling: Sampling) -> StepResult:
        """Append one word to each branch that has not ended."""
        return self.append(self.draw(sampling).tolist(), sampling)

    def draw(self, sampling: Sampling) -> IntArray:
        """Return the words ``(B,)`` that `step` would append, and use up their random numbers."""
        drawn = [
            END if branch.finished else _draw(self._next(branch), branch.rng.random(), sampling)
            for branch in self._branches
        ]
        return np.asarray(drawn, np.int64)

    def next_log_probs(self) -> FloatArray:
        """Return log-probabilities of each branch's next word, ``(B, V)``; zeros where it ended."""
        silent = np.zeros(len(self._model.words))
        rows = [silent if each.finished else self._next(each) for each in self._branches]
        return np.asarray(rows, np.float32)

    def look_ahead(self, tokens: IntArray) -> FloatArray:
        """Return the features ``(B, k, 8)`` that each branch would have with each of k words."""
        encoder = self._model.feature_encoder
        return np.asarray(
            [
                [encoder.pool(self._with(branch, int(token)).tokens) for token in row]
                for branch, row in zip(self._branches, tokens, strict=True)
            ],
            np.float32,
        )

    def append(self, tokens: Sequence[int], sampling: Sampling) -> StepResult:
        """Append these words, one for each branch that has not ended."""
        if len(tokens) != self.size:
            raise InvalidInputError(
                f"tokens has {len(tokens)} values for {self.size} branches, expected as many"
            )
        pairs = zip(self._branches, tokens, strict=True)
        self._branches = [self._limited(each, token, sampling) for each, token in pairs]
        texts = tuple(map(self._text, self._branches))
        return StepResult(texts, tuple(branch.finished for branch in self._branches))

    def save(self) -> object:
        """Return the present state."""
        return deepcopy((self._branches, self._streams))

    def restore(self, saved: object) -> None:
        """Return to a saved state."""
        assert isinstance(saved, tuple)
        self._branches, self._streams = deepcopy(saved)

    def features(self) -> FloatArray:
        """Return the features ``(B, 8)`` of the texts so far."""
        encoder = self._model.feature_encoder
        rows = [encoder.pool(branch.tokens) for branch in self._branches]
        return np.asarray(rows, np.float32)

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

    def _opened(self, prompt: Prompt) -> _Branch:
        starts = tuple(self._model.start(each.conversation) for each in prompt.readings)
        return _Branch(self._new_rng(), prompt, starts)

    def _next(self, branch: _Branch) -> NDArray[np.float64]:
        """Return log-probabilities of the next word ``(V,)``, all readings together."""
        rows = self._model.log_probs[list(branch.last)]  # (readings, V)
        plain: NDArray[np.float64] = rows[0]
        if not branch.prompt.mixed:
            return plain
        mixed: NDArray[np.float64] = np.array([r.weight for r in branch.prompt.readings]) @ rows
        least = np.log(max(branch.prompt.plausible, 1e-300)) + plain.max()
        mixed = np.where((plain >= least) & (plain > -600.0), mixed, -700.0)
        normal: NDArray[np.float64] = mixed - np.logaddexp.reduce(mixed)
        return normal.clip(-700.0)

    def _with(self, branch: _Branch, token: int) -> _Branch:
        if branch.finished or token == END:
            return replace(branch, finished=True)
        log_prob = float(self._model.log_probs[branch.last[0], token])
        return replace(
            branch, tokens=(*branch.tokens, token), log_probs=(*branch.log_probs, log_prob)
        )

    def _limited(self, branch: _Branch, token: int, sampling: Sampling) -> _Branch:
        extended = self._with(branch, token)
        if any(stop in self._text(extended) for stop in sampling.stop):
            return replace(branch, finished=True)
        ended = extended.finished or len(extended.tokens) >= sampling.max_tokens
        return replace(extended, finished=ended)

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

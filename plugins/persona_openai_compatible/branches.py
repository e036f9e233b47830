"""Replies that grow on a server, as decoders see them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from persona_engine.errors import GenerationError, InvalidInputError
from persona_engine.interfaces import Encoder
from persona_engine.types import (
    Conversation,
    FloatArray,
    IntArray,
    Prompt,
    Sampling,
    StepResult,
)
from persona_openai_compatible.drawing import Box, Drawer
from persona_openai_compatible.server import Server


@dataclass(frozen=True, slots=True)
class Asked:
    """What one branch continues on the server.

    Args:
        conversation: The messages.
        model: Which model reads them; an adapter has a model's name.
        judged: The messages that its reply is judged as an answer to.
    """

    conversation: Conversation
    model: str
    judged: Conversation


@dataclass(slots=True)
class _Branch:
    box: Box
    judged: Conversation
    text: str = ""
    tokens: int = 0
    log_prob: float = 0.0
    finished: bool = False
    read: tuple[str, FloatArray] | None = field(default=None)

    def grow(self, sampling: Sampling) -> None:
        """Take the next piece."""
        piece = self.box.take()
        if piece is None:
            self.finished = True
            return
        self.text += piece.text
        self.tokens += piece.tokens
        self.log_prob += piece.log_prob
        ends = [at for each in sampling.stop if (at := self.text.find(each)) >= 0]
        if ends:  # some servers leave the text that ends a reply in it
            self.text = self.text[: min(ends)]
        if ends or self.tokens >= sampling.max_tokens:
            self.finished = True
            self.box.close()


class RemoteBranches:
    """`persona_engine.interfaces.Branches` of a server: they step, are dropped, and have features.

    A step takes one piece of each reply, which is a token where the server streams by tokens. What
    a branch is sampled by is what its first step says; later ones may only end it earlier.

    Args:
        server: Where they grow.
        asked: What each continues.
        seed: Decides every draw, where the server heeds it.
        encoder: Gives features.
        extra: Further fields of requests.
        gate: Limits how many requests run at once.
    """

    def __init__(
        self,
        server: Server,
        asked: Sequence[Asked],
        *,
        seed: int,
        encoder: Encoder,
        extra: dict[str, Any],
        gate: threading.Semaphore,
    ) -> None:
        self._server = server
        self._asked = list(asked)
        self._seed = seed
        self._encoder = encoder
        self._extra = extra
        self._gate = gate
        self._started = False
        self._branches = [_Branch(Box(i), each.judged) for i, each in enumerate(asked)]

    @property
    def size(self) -> int:
        """Number of branches, ended ones included."""
        return len(self._branches)

    @property
    def token_counts(self) -> tuple[int, ...]:
        """Tokens that each branch has generated, or pieces where the server does not say."""
        return tuple(branch.tokens for branch in self._branches)

    @property
    def log_probs(self) -> FloatArray:
        """Summed log-probability of each branch ``(B,)``; not a number where it is not offered."""
        return np.array([branch.log_prob for branch in self._branches], np.float32)

    def step(self, sampling: Sampling) -> StepResult:
        """Append the next piece to each branch that has not ended; the first step asks for them.

        Raises:
            GenerationError: The server failed.
        """
        if not self._started:
            self._start(sampling)
        try:
            for branch in self._branches:
                if not branch.finished:
                    branch.grow(sampling)
        except BaseException:
            self._close(self._branches)
            raise
        return StepResult(
            tuple(branch.text for branch in self._branches),
            tuple(branch.finished for branch in self._branches),
        )

    def features(self) -> FloatArray:
        """Return features ``(B, D)`` of the text so far; zeros of one that says nothing yet."""
        new = [
            branch
            for branch in self._branches
            if branch.text.strip() and (branch.read is None or branch.read[0] != branch.text)
        ]
        if new:
            rows = self._encoder.encode([b.judged for b in new], [b.text for b in new])
            for branch, row in zip(new, rows, strict=True):
                branch.read = (branch.text, row)
        found = np.zeros((self.size, self._encoder.width), np.float32)
        for place, branch in enumerate(self._branches):
            if branch.read is not None:
                found[place] = branch.read[1]
        return found

    def drop(self, indices: Sequence[int]) -> None:
        """Give up these branches; the server is told."""
        gone = set(indices)
        self._close([self._branches[index] for index in gone])
        self._branches = [b for i, b in enumerate(self._branches) if i not in gone]

    def fork(self, indices: Sequence[int]) -> None:
        """Continue with these branches, in this order.

        Raises:
            GenerationError: One occurs twice: a server begins no reply in its middle.
        """
        if len(set(indices)) != len(indices):
            _not_shown("a reply that goes on from the beginning of another")
        chosen = [self._branches[index] for index in indices]
        self._close([branch for branch in self._branches if branch not in chosen])
        self._branches = chosen

    def draw(self, sampling: Sampling) -> IntArray:
        """Raise GenerationError: a server shows no tokens before they are part of a reply."""
        _not_shown("a token before it is part of a reply")

    def next_log_probs(self) -> FloatArray:
        """Raise GenerationError: a server shows no distribution of the next token."""
        _not_shown("the distribution of the next token")

    def look_ahead(self, tokens: IntArray) -> FloatArray:
        """Raise GenerationError: a server shows no hidden states."""
        _not_shown("what a reply would be with another token")

    def append(self, tokens: Sequence[int], sampling: Sampling) -> StepResult:
        """Raise GenerationError: a server takes no tokens."""
        _not_shown("a reply with a token of ours")

    def save(self) -> object:
        """Raise GenerationError: a server's replies only go on."""
        _not_shown("a state to which a reply may return")

    def restore(self, saved: object) -> None:
        """Raise GenerationError: a server's replies only go on."""
        _not_shown("a state to which a reply may return")

    def __del__(self) -> None:
        """Tell the server that nobody waits any more."""
        self._close(getattr(self, "_branches", ()))

    def _start(self, sampling: Sampling) -> None:
        self._started = True
        alike: dict[str, list[int]] = {}
        for number, each in enumerate(self._asked):
            alike.setdefault(repr((each.model, list(each.conversation))), []).append(number)
        boxes = {branch.box.number: branch.box for branch in self._branches}
        for numbers in alike.values():
            wanted = [boxes[number] for number in numbers if number in boxes]
            if wanted:
                request = self._request(self._asked[numbers[0]], sampling)
                drawer = Drawer(self._server, request, seed=self._seed, gate=self._gate)
                drawer.start(wanted)

    def _request(self, asked: Asked, sampling: Sampling) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": asked.model,
            "messages": [dict(message) for message in asked.conversation],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
        }
        if sampling.stop:
            request["stop"] = list(sampling.stop)
        if self._extra:
            request["extra_body"] = self._extra
        return request

    def _close(self, branches: Sequence[_Branch]) -> None:
        for branch in branches:
            branch.box.close()


def asked_of(prompt: Prompt, *, model: str, named: dict[str, str]) -> Asked:
    """Return what a prompt asks of a server, which draws from one reading.

    Args:
        prompt: One reading, or one that counts beside others of weight 0.
        model: The base model's name.
        named: What the server calls each adapter.

    Raises:
        GenerationError: Several readings count together, or one otherwise than as it is.
        InvalidInputError: An adapter is not loaded.
    """
    counting = [each for each in prompt.readings if each.weight]
    if len(counting) != 1 or counting[0].weight != 1.0 or prompt.plausible:
        _not_shown("what several readings of a prompt give together")
    (reading,) = counting
    if reading.adapter is not None and reading.adapter not in named:
        raise InvalidInputError(f"adapter {reading.adapter!r} is not loaded")
    used = model if reading.adapter is None else named[reading.adapter]
    return Asked(reading.conversation, used, prompt.readings[0].conversation)


def _not_shown(what: str) -> NoReturn:
    raise GenerationError(
        f"a remote generator does not show {what}",
        remedy="choose the decoder best_of_n, or a generator on this machine",
    )

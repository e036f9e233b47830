"""One growing reply: its tokens, its text, and when it ends. No tensors."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from persona_engine.generation.detokenize import TextStream


@dataclass(slots=True)
class GrowingReply:
    """A branch's own state.

    Args:
        stream: Its text.
        rng: Its own stream of random numbers.
        tokens: Its tokens, without the one that ends it.
        log_probs: Log-probability of each token under the model.
        starts: Where in the text each token begins.
        finished: Whether it has ended.
        pending: Its newest token, which the network has not read yet; None when there is none to
            read.
        final_text: The text once it has ended.
    """

    stream: TextStream
    rng: np.random.Generator
    tokens: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    finished: bool = False
    pending: int | None = None
    final_text: str | None = None

    def append(self, token: int, log_prob: float) -> None:
        """Append a token that the network still has to read."""
        self.starts.append(len(self.stream.text))
        self.stream.push(token)
        self.tokens.append(token)
        self.log_probs.append(log_prob)
        self.pending = token

    def end(self) -> None:
        """End where it stands; a pending token is still read, so that features count it."""
        self.finished, self.final_text = True, self.stream.text

    def end_at_stop(self, position: int) -> int:
        """End before the stop text that begins there; return how many tokens were given up."""
        kept = sum(start < position for start in self.starts)
        given_up = len(self.tokens) - kept
        for values in (self.tokens, self.log_probs, self.starts):
            del values[kept:]
        self.finished, self.pending = True, None
        self.final_text = self.stream.text[:position]
        return given_up

    def find_stop(self, stops: Sequence[str]) -> int | None:
        """Return where the earliest stop text begins that the newest token completed, or None."""
        text, newest = self.stream.text, self.starts[-1]
        found = [text.find(stop, max(0, newest - len(stop) + 1)) for stop in stops]
        return min((position for position in found if position >= 0), default=None)

    def settled_text(self, stops: Sequence[str]) -> str:
        """Return the text so far, less an ending that may turn out to begin a stop text."""
        if self.final_text is not None:
            return self.final_text
        text = self.stream.text
        return text[: len(text) - max((_overlap(text, stop) for stop in stops), default=0)]

    def unsettled(self, stops: Sequence[str], *, among: int) -> int:
        """Return how many of the newest tokens a stop text may still reach back to.

        Args:
            stops: Texts that end the reply.
            among: How many tokens to look at.
        """
        if not stops:
            return 0
        reach = len(self.stream.text) - max(map(len, stops))
        return sum(start >= reach for start in self.starts[-among:])

    def exact_copy(self) -> Self:
        """Return an independent reply that continues from here exactly as this one."""
        return self.twin(copy.deepcopy(self.rng))

    def twin(self, rng: np.random.Generator) -> Self:
        """Return an independent reply that continues from here with other random numbers."""
        return replace(
            self,
            stream=self.stream.copy(),
            rng=rng,
            tokens=list(self.tokens),
            log_probs=list(self.log_probs),
            starts=list(self.starts),
        )


def _overlap(text: str, stop: str) -> int:
    """Return how many of the last characters of ``text`` begin ``stop`` without completing it."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)

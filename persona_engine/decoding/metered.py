"""A generator that counts what decoding costs, and ends every branch when a budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from persona_engine.interfaces import Branches, Encoder, Generator
from persona_engine.types import (
    Budget,
    Compute,
    Conversation,
    FloatArray,
    IntArray,
    Prompt,
    Sampling,
    StepResult,
)

Clock = Callable[[], float]


class Meter:
    """Counts the work of one reply and says when its budget is spent.

    Args:
        budget: Its limits.
        clock: Seconds, only ever growing.
    """

    def __init__(self, budget: Budget, *, clock: Clock) -> None:
        self._budget = budget
        self._clock = clock
        self._started = clock()
        self._prompts = 0
        self._forwards = 0
        self._token_steps = 0
        self.ended = ""

    def read_prompts(self, count: int) -> None:
        """Count prompts."""
        self._prompts += count

    def read_tokens(self, count: int) -> None:
        """Count one run of the network on so many tokens."""
        self._forwards += 1
        self._token_steps += count

    @property
    def spent(self) -> bool:
        """Whether the budget is spent, and something has been said."""
        if not self.ended and self._token_steps:
            self.ended = self._limit()
        return bool(self.ended)

    def compute(self) -> Compute:
        """Return what was counted, up to now."""
        seconds = self._clock() - self._started
        return Compute(self._prompts, self._forwards, self._token_steps, seconds)

    def _limit(self) -> str:
        seconds, tokens = self._budget.seconds, self._budget.tokens
        if tokens is not None and self._token_steps >= tokens:
            return f"the budget of {tokens} tokens was spent"
        if seconds is not None and self._clock() - self._started >= seconds:
            return f"the budget of {seconds:g} s was spent after {self._token_steps} tokens"
        return ""


class MeteredGenerator:
    """`persona_engine.interfaces.Generator` whose branches are metered.

    Args:
        generator: The language model.
        meter: Counts and limits.
    """

    def __init__(self, generator: Generator, meter: Meter) -> None:
        self.name = generator.name
        self._generator = generator
        self._meter = meter

    @property
    def feature_encoder(self) -> Encoder:
        """The encoder whose features the branches give."""
        return self._generator.feature_encoder

    def prefill(self, conversation: Conversation, *, branches: int, seed: int) -> Branches:
        """Read the conversation once and return that many branches."""
        self._meter.read_prompts(1)
        grown = self._generator.prefill(conversation, branches=branches, seed=seed)
        return MeteredBranches(grown, self._meter)

    def prefill_each(self, prompts: Sequence[Prompt], *, seed: int) -> Branches:
        """Return one branch for each prompt."""
        readings = [reading for each in prompts for reading in each.readings]
        self._meter.read_prompts(len({(str(r.conversation), r.adapter) for r in readings}))
        grown = self._generator.prefill_each(prompts, seed=seed)
        return MeteredBranches(grown, self._meter, readings=len(readings) / len(prompts))

    def log_likelihood(
        self, conversations: Sequence[Conversation], responses: Sequence[str]
    ) -> FloatArray:
        """Return the summed log-probability ``(n,)`` of each response."""
        return self._generator.log_likelihood(conversations, responses)

    def count_tokens(self, text: str) -> int:
        """Return the length of a text in tokens."""
        return self._generator.count_tokens(text)


class MeteredBranches:
    """`persona_engine.interfaces.Branches` that end by themselves once the budget is spent.

    Then the next token is the last: every branch ends as at its greatest length, so that a decoder
    needs to know nothing of budgets.

    Args:
        branches: What is metered.
        meter: Counts and limits.
        readings: How often each branch is read, on average.
    """

    def __init__(self, branches: Branches, meter: Meter, *, readings: float = 1.0) -> None:
        self._branches = branches
        self._meter = meter
        self._readings = readings
        self._finished = (False,) * branches.size
        self._read_ahead: IntArray | None = None

    @property
    def size(self) -> int:
        """Number of branches, ended ones included."""
        return self._branches.size

    @property
    def token_counts(self) -> tuple[int, ...]:
        """Tokens that each branch has generated."""
        return self._branches.token_counts

    @property
    def log_probs(self) -> FloatArray:
        """Summed log-probability of each branch, ``(B,)``."""
        return self._branches.log_probs

    def step(self, sampling: Sampling) -> StepResult:
        """Append one token to each branch that has not ended."""
        self._read_ahead = None
        return self._counted(self._branches.step(self._limited(sampling)), self._growing)

    def draw(self, sampling: Sampling) -> IntArray:
        """Return the tokens ``(B,)`` that `step` would append."""
        return self._branches.draw(sampling)

    def next_log_probs(self) -> FloatArray:
        """Return log-probabilities of each branch's next token, ``(B, V)``."""
        return self._branches.next_log_probs()

    def look_ahead(self, tokens: IntArray) -> FloatArray:
        """Return the features ``(B, k, D)`` that each branch would have with each of k tokens."""
        self._meter.read_tokens(round(self._growing * tokens.shape[1] * self._readings))
        self._read_ahead = tokens
        return self._branches.look_ahead(tokens)

    def append(self, tokens: Sequence[int], sampling: Sampling) -> StepResult:
        """Append these tokens, one for each branch."""
        ahead, self._read_ahead = self._read_ahead, None
        unread = self._growing
        if ahead is not None:  # what was looked ahead at is not read again
            pairs = zip(ahead.tolist(), tokens, strict=True)
            unread = min(unread, sum(token not in row for row, token in pairs))
        return self._counted(self._branches.append(tokens, self._limited(sampling)), unread)

    def save(self) -> object:
        """Return the present state."""
        return self._branches.save(), self._finished

    def restore(self, saved: object) -> None:
        """Return to a saved state."""
        assert isinstance(saved, tuple), "restore takes what save returned"
        state, self._finished = saved
        self._branches.restore(state)

    def features(self) -> FloatArray:
        """Return features ``(B, D)`` of the text so far."""
        return self._branches.features()

    def fork(self, indices: Sequence[int]) -> None:
        """Continue with these branches, in this order."""
        self._branches.fork(indices)
        self._finished = tuple(self._finished[index] for index in indices)

    def drop(self, indices: Sequence[int]) -> None:
        """Give up these branches."""
        self._branches.drop(indices)
        gone = set(indices)
        self._finished = tuple(f for index, f in enumerate(self._finished) if index not in gone)

    @property
    def _growing(self) -> int:
        return len(self._finished) - sum(self._finished)

    def _limited(self, sampling: Sampling) -> Sampling:
        return replace(sampling, max_tokens=1) if self._meter.spent else sampling

    def _counted(self, result: StepResult, read: int) -> StepResult:
        if read:
            self._meter.read_tokens(round(read * self._readings))
        self._finished = result.finished
        return result

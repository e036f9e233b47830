"""Values of decoding: sampling settings, limits, requests and results."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from persona_engine.errors import InvalidInputError
from persona_engine.types.chat import Candidate, Conversation
from persona_engine.types.evidence import FloatArray
from persona_engine.types.instruction import Mending
from persona_engine.types.search import Budget, Record, Search

Mend = Callable[[Sequence[str]], tuple[Mending | None, ...]]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn.

    Args:
        temperature: 0 takes the likeliest token; 1 samples from the model's distribution.
        top_p: Keep the smallest set of tokens with at least this probability.
        max_tokens: Longest reply, in tokens.
        stop: Texts that end a reply; they are not part of it.
        end_bias: Added to the logit of ending the reply for every 32 tokens after the first 32,
            one for each branch in their present order: above 0 draws shorter replies, below 0
            longer ones. Empty for none.

    Raises:
        InvalidInputError: A value is out of range.
    """

    temperature: float = 0.8
    top_p: float = 0.95
    max_tokens: int = 192
    stop: tuple[str, ...] = ()
    end_bias: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not _is_number(self.temperature) or not 0.0 <= self.temperature <= 10.0:
            raise InvalidInputError(f"temperature is {self.temperature!r}, expected 0 to 10")
        if not _is_number(self.top_p) or not 0.0 < self.top_p <= 1.0:
            raise InvalidInputError(f"top_p is {self.top_p!r}, expected above 0, at most 1")
        whole = isinstance(self.max_tokens, int) and _is_number(self.max_tokens)
        if not whole or not 1 <= self.max_tokens <= 32_768:
            raise InvalidInputError(f"max_tokens is {self.max_tokens!r}, expected 1 to 32768")
        if isinstance(self.stop, str) or not all(isinstance(t, str) and t for t in self.stop):
            raise InvalidInputError(f"stop is {self.stop!r}, expected texts that are not empty")
        if not all(_is_number(bias) and math.isfinite(bias) for bias in self.end_bias):
            raise InvalidInputError(f"end_bias is {self.end_bias!r}, expected finite numbers")


@dataclass(frozen=True, slots=True)
class Reading:
    """One way in which a reply that grows is read.

    Args:
        conversation: The messages that it follows.
        weight: Of its log-probabilities of the next token.
        adapter: Name of a LoRA adapter that the model reads it with; None for the model as it is.

    Raises:
        InvalidInputError: The conversation is empty, or the weight is not a finite number.
    """

    conversation: Conversation
    weight: float = 1.0
    adapter: str | None = None

    def __post_init__(self) -> None:
        if not self.conversation:
            raise InvalidInputError("the conversation is empty, expected at least one message")
        if not _is_number(self.weight) or not math.isfinite(self.weight):
            raise InvalidInputError(f"weight is {self.weight!r}, expected a finite number")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one branch continues: log p(y) ∝ Σ_i w_i log p_i(y) over its readings.

    Args:
        readings: One, or several whose log-probabilities are added by their weights. The first is
            the plain one: the branch's features and its own log-probability are read there.
        plausible: A token is drawn only if the first reading gives it at least this share of its
            likeliest token's probability (contrastive decoding's adaptive plausibility, Li et al.
            2022, arXiv 2210.15097); 0 for every token.

    Raises:
        InvalidInputError: There is no reading, or ``plausible`` is outside 0 to 1.
    """

    readings: tuple[Reading, ...]
    plausible: float = 0.0

    def __post_init__(self) -> None:
        if not self.readings:
            raise InvalidInputError("a prompt has no reading, expected at least one")
        if not _is_number(self.plausible) or not 0.0 <= self.plausible <= 1.0:
            raise InvalidInputError(f"plausible is {self.plausible!r}, expected 0 to 1")

    @property
    def mixed(self) -> bool:
        """Whether the next token's distribution is other than the first reading's."""
        return len(self.readings) > 1 or self.readings[0].weight != 1.0


@dataclass(frozen=True, slots=True)
class DecodingRequest:
    """One reply to generate.

    Args:
        conversation: Messages as they go to the model, instructions already placed.
        sampling: How tokens are drawn.
        candidates: How many replies to consider.
        seed: Decides every draw.
        mend: Returns, for each of some replies, what a program makes of it so that it keeps the
            instructions in use; None where it does, or cannot be made to. What is mended is one
            more candidate beside the reply that it was made from.
        budget: What the reply may cost; `persona_engine.decoding.decode` keeps to it.
        record: Takes each choice of the search, as `persona_engine.decoding.note_choice` writes
            it; None where nobody asks.
        bare: The conversation without the instructions that were placed; None where none was.
        styles: Wishes about how the reply is written that suit the person, such as "Be funny.",
            best first; candidates may be drawn under them. Each is a line that is safe in a prompt.
        adapter: Name of the adapter that the model reads the conversation with; None for the model
            as it is. Rewards are learned without adapters: what was drawn with one is read again.
        adapter_weights: For decoders that add up adapters, the weight of each by its name; for the
            others empty.
    """

    conversation: Conversation
    sampling: Sampling
    candidates: int
    seed: int
    mend: Mend | None = None
    budget: Budget | None = None
    record: Record | None = None
    bare: Conversation | None = None
    styles: tuple[str, ...] = ()
    adapter: str | None = None
    adapter_weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def reading(self) -> Reading:
        """The conversation as the plain sample continues it."""
        return Reading(self.conversation, adapter=self.adapter)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one token step of all branches produced.

    Args:
        texts: Text so far of each branch, ``B`` of them.
        finished: Which branches have ended.
    """

    texts: tuple[str, ...]
    finished: tuple[bool, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """What a decoder produced.

    Args:
        candidates: Every finished reply, best first.
        features: Their features, ``(B, D)``, in the same order.
        decided: False when the reward could not tell the candidates apart, so that the first
            candidate is the one that plain sampling would have given.
        confidence: P(first is preferred to second), or None.
        reason: Why the first candidate was chosen, in words.
        search: How it was searched for; `persona_engine.decoding.decode` writes it.
    """

    candidates: tuple[Candidate, ...]
    features: FloatArray
    decided: bool
    confidence: float | None
    reason: str
    search: Search | None = None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

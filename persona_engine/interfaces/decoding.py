"""Generators, rewards bound to one person, and the decoders that use them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from persona_engine.interfaces.vectors import Encoder
from persona_engine.types import (
    Conversation,
    DecodingRequest,
    FloatArray,
    Generation,
    IntArray,
    Prompt,
    Sampling,
    Score,
    StepResult,
)


@runtime_checkable
class Branches(Protocol):
    """A batch of growing replies over one shared key-value cache."""

    @property
    def size(self) -> int:
        """Number of live branches, ``B``."""

    @property
    def token_counts(self) -> tuple[int, ...]:
        """Tokens that each branch has generated."""

    @property
    def log_probs(self) -> FloatArray:
        """Summed log-probability of each branch, ``(B,)``."""

    def step(self, sampling: Sampling) -> StepResult:
        """Append one token to each branch that has not ended."""

    def draw(self, sampling: Sampling) -> IntArray:
        """Return the tokens ``(B,)`` that `step` would append, and use up their random numbers.

        ``step(s)`` is ``append(draw(s), s)``; what is drawn may be looked ahead at before that.
        """

    def next_log_probs(self) -> FloatArray:
        """Return log-probabilities of each branch's next token, ``(B, V)``; zeros where it ended.

        They are at temperature 1 and without any bias, of the branch's readings together.
        """

    def look_ahead(self, tokens: IntArray) -> FloatArray:
        """Return the features ``(B, k, D)`` that each branch would have with each of k tokens.

        All are read at once, in one batch. If one of them is appended next, it is not read again.
        A token that ends the reply, and any token of a branch that has ended, changes nothing.

        Args:
            tokens: ``(B, k)``.
        """

    def append(self, tokens: Sequence[int], sampling: Sampling) -> StepResult:
        """Append these tokens, one for each branch; what an ended branch is given is ignored.

        Of ``sampling`` only the stop texts and the limit count.
        """

    def save(self) -> object:
        """Return the present state, to which `restore` returns; nothing is copied."""

    def restore(self, saved: object) -> None:
        """Return to a saved state of these branches, random numbers included.

        A state may be restored often, until an earlier one is.
        """

    def features(self) -> FloatArray:
        """Return features ``(B, D)`` of the text so far, read from decoding's hidden states."""

    def fork(self, indices: Sequence[int]) -> None:
        """Continue with these branches, in this order; an index may occur often."""

    def drop(self, indices: Sequence[int]) -> None:
        """Give up these branches."""


@runtime_checkable
class Generator(Protocol):
    """A language model that continues conversations."""

    name: str

    @property
    def feature_encoder(self) -> Encoder:
        """The encoder whose features `Branches.features` gives, for texts not generated here."""

    def prefill(self, conversation: Conversation, *, branches: int, seed: int) -> Branches:
        """Read the conversation once and return that many branches on its cache."""

    def prefill_each(self, prompts: Sequence[Prompt], *, seed: int) -> Branches:
        """Return one branch for each prompt; equal conversations are read once.

        Branch ``i`` draws the same numbers as branch ``i`` of `prefill` with the same seed. Its
        features and its log-probability are those of its first reading.
        """

    def log_likelihood(
        self, conversations: Sequence[Conversation], responses: Sequence[str]
    ) -> FloatArray:
        """Return the summed log-probability ``(n,)`` of each response given its conversation."""

    def count_tokens(self, text: str) -> int:
        """Return the length of a text in tokens."""


@runtime_checkable
class TakesAdapters(Generator, Protocol):
    """A generator that reads with LoRA adapters, which `Reading.adapter` names."""

    def load_adapter(self, name: str, folder: Path) -> None:
        """Take an adapter in PEFT's layout into memory, in place of one of the same name."""

    def unload_adapter(self, name: str) -> None:
        """Give an adapter's memory back."""

    def log_likelihood(
        self,
        conversations: Sequence[Conversation],
        responses: Sequence[str],
        *,
        adapter: str | None = None,
    ) -> FloatArray:
        """Return the log-probabilities ``(n,)`` that the model with an adapter gives."""


@runtime_checkable
class ReadsPrecisely(Protocol):
    """A generator that can read with float32 arithmetic, whatever it generates with."""

    def in_float32(self) -> TakesAdapters:
        """Return a generator of the same weights whose arithmetic is float32.

        Two readings of a reply in bfloat16 differ by some tenths of a nat by rounding alone, which
        hides how an adapter differs from its base.
        """


@runtime_checkable
class DrawsWholeReplies(Protocol):
    """A generator elsewhere, which gives replies and shows nothing of how they come about.

    Its branches step, are dropped and have features; where there are no log-probabilities they are
    not a number. Whatever needs the next token's distribution, or a reply to go on from another
    one's beginning, raises `persona_engine.errors.GenerationError`, and so does
    `Generator.log_likelihood`. Its factory is called with ``address`` and ``encoder``, the encoder
    of the features that rewards are learned on, instead of ``weights``.

    Attributes:
        draws_whole_replies: True.
    """

    draws_whole_replies: Literal[True]


@runtime_checkable
class SharesBatches(Protocol):
    """A generator whose replies to several requests can grow in one batch."""

    def share_batches(self, most_rows: int) -> None:
        """Let the replies of requests that come together read their tokens together.

        Args:
            most_rows: Rows that are read at once.
        """


@runtime_checkable
class RemembersPrompts(Protocol):
    """A generator that keeps what it read, so that it need not read it again."""

    def forget_prompts(self) -> None:
        """Forget every prompt."""


class Reward(Protocol):
    """One user's reward, bound to a posterior, as decoders call it."""

    def score(self, features: FloatArray) -> Score:
        """Return rewards ``(B,)`` of features ``(B, D)``."""

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        """Return log-odds ``(B,)`` that ``a`` is preferred to ``b``, row by row."""


@runtime_checkable
class TextReward(Reward, Protocol):
    """The reward of a model that reads words; `persona_engine.ranking` asks it for its features."""

    def of_texts(self, texts: Sequence[str], features: FloatArray) -> tuple[FloatArray, Reward]:
        """Return stand-in features of ``B`` texts, and a reward that knows them."""


class Decoder(Protocol):
    """Produces one reply, guided by a reward."""

    name: str

    def generate(
        self,
        request: DecodingRequest,
        generator: Generator,
        reward: Reward | None,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generation:
        """Return the candidates, best first.

        Without a reward, or when the reward cannot tell the candidates apart, the first candidate
        is exactly what plain sampling with the same seed gives; only what the request says in words
        (``bare``, ``styles``) may steer it, which needs no judge. ``on_text`` receives each piece
        of text as soon as it is settled, and an empty piece for a token that settles none; what it
        raises ends decoding.
        """


@runtime_checkable
class WeighsAdapters(Protocol):
    """A decoder that adds up what several adapters change.

    Attributes:
        weighs_adapters: Whether it does; then `DecodingRequest.adapter_weights` holds the person's
            membership in each cluster that has an adapter, and ``adapter`` is None.
    """

    @property
    def weighs_adapters(self) -> bool:
        """Whether it does, as it is set up."""

"""What the engine calls: one Protocol per kind of plugin, numpy at the boundary.

Hooks (`persona_engine.hookspecs`) register factories of these; the hot path calls them directly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from persona_engine.types import (
    Context,
    Conversation,
    DecodingRequest,
    Evidence,
    FloatArray,
    Generation,
    Instruction,
    LogLikelihood,
    Population,
    Posterior,
    PreferenceData,
    Sampling,
    Score,
    SelectedInstruction,
    StepResult,
)

Progress = Callable[[str, int, int], None]
"""``progress(what, done, total)``: called now and then by long work."""


def no_progress(what: str, done: int, total: int) -> None:
    """Report to nobody."""


@runtime_checkable
class Encoder(Protocol):
    """Turns replies (given their prompts) or sentences into features.

    ``fingerprint`` names weights, layer, pooling and width: equal fingerprints give features that
    may be mixed. Reading it must not load the model.
    """

    @property
    def fingerprint(self) -> str:
        """Name of the feature space."""

    @property
    def width(self) -> int:
        """Number of features, ``D``."""

    def encode(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> FloatArray:
        """Return features ``(n, D)`` of ``n`` responses, each given its prompt."""


class RewardModel(ABC):
    """Learns what all users share, then what one user prefers.

    A plugin defines `fit`, `infer`, `score`, `logit` and `embed`; the rest has exact but plain
    defaults that it may replace by faster ones. Every method is pure: arguments are never changed
    and equal arguments give equal results.

    Attributes:
        name: The name that the plugin registers it under.
        personal: False for a method that predicts the same for every user; the conformance kit then
            leaves out what only a personal method can pass.
        exact_update: False for a method whose `update` only approximates `infer` on everything.
        pairwise: True for a method whose logits are of pairs, with no reward behind them: its
            `score` is the mean logit over usual responses, up to a constant, so that differences
            of scores are not logits.
        multimodal: True for a method whose posterior may have several modes, such as a mixture: an
            answer may move a user from one towards another, and the spread of a pair grow on the
            way. The kit then asks only that spreads do not grow on the mean over pairs.
        reads: What of a `Context`, and of ``prompt``, ``texts`` and ``attributes`` in the data, the
            method makes use of besides features; it is given nothing else, and must do without when
            it is given nothing.
    """

    name: str
    personal: bool = True
    exact_update: bool = True
    pairwise: bool = False
    multimodal: bool = False
    reads: frozenset[Literal["prompt", "texts", "attributes"]] = frozenset()

    @abstractmethod
    def fit(
        self,
        data: PreferenceData,
        *,
        rng: np.random.Generator,
        progress: Progress = no_progress,
    ) -> Population:
        """Learn what all users share. Hyper-parameters are chosen inside, on held-out users."""

    @abstractmethod
    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        """Return the posterior after ``n >= 0`` comparisons; ``n = 0`` gives the prior.

        The order of the comparisons makes no difference.
        """

    def infer_many(self, population: Population, evidence: Sequence[Evidence]) -> list[Posterior]:
        """Return the posterior of many users at once."""
        return [self.infer(population, each) for each in evidence]

    @abstractmethod
    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        """Return the posterior after further comparisons, as `infer` on all of them gives it."""

    @abstractmethod
    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the rewards of responses ``(B, D)`` for ``U`` users, each ``(U, B)``."""

    @abstractmethod
    def logit(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the log-odds that ``a`` is preferred to ``b``, both ``(B, D)``, row by row.

        The spread is that of the difference, not of the two rewards: what all candidates share
        cancels.
        """

    @abstractmethod
    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        """Return the user's preference embedding, ``(k,)``: near users prefer alike."""


def given(context: Context | None) -> dict[str, Context]:
    """Return the keyword arguments that hand a context to `RewardModel.score` and ``logit``.

    None gives none, so that models that read features only need not know what a context is.
    """
    return {} if context is None else {"context": context}


@runtime_checkable
class AsksLanguageModel(Protocol):
    """A reward model whose `RewardModel.fit` needs a language model's log-likelihoods."""

    def asking(self, log_likelihood: LogLikelihood) -> RewardModel:
        """Return the same model, with a language model that ``fit`` may ask."""


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

    def log_likelihood(
        self, conversations: Sequence[Conversation], responses: Sequence[str]
    ) -> FloatArray:
        """Return the summed log-probability ``(n,)`` of each response given its conversation."""

    def count_tokens(self, text: str) -> int:
        """Return the length of a text in tokens."""


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
        is exactly what plain sampling with the same seed gives. ``on_text`` receives each piece of
        text as soon as it is settled, and an empty piece for a token that settles none; what it
        raises ends decoding.
        """


class InstructionSelector(Protocol):
    """Judges which standing instructions apply to a conversation."""

    name: str

    def select(
        self,
        conversation: Conversation,
        instructions: Sequence[Instruction],
        *,
        request: FloatArray,
        embeddings: FloatArray,
    ) -> tuple[SelectedInstruction, ...]:
        """Return every instruction with its probability, most probable first.

        Args:
            conversation: The messages so far; the last user turn is the request.
            instructions: The user's active instructions, ``I`` of them.
            request: Sentence embedding of the request, ``(E,)``, unit length.
            embeddings: Sentence embeddings of the instructions, ``(I, E)``, unit length.
        """


class VectorIndex(Protocol):
    """Nearest vectors among one tenant's; a cache of what SQL holds."""

    def search(self, query: FloatArray, *, count: int) -> list[tuple[str, float]]:
        """Return the nearest keys and their cosine similarity, nearest first."""

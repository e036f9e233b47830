"""Standing instructions: which apply, which a reply keeps, and where new ones come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from persona_engine.types import (
    AttributePairs,
    Conversation,
    Evidence,
    FloatArray,
    Instruction,
    LogLikelihood,
    Mending,
    PairAdapter,
    PairText,
    Principle,
    SelectedInstruction,
    Signals,
    Verification,
)

Embed = Callable[[Sequence[str]], FloatArray]
"""Sentence embeddings ``(n, E)`` of ``n`` texts, unit length; equal texts are encoded once."""


class ReadPairs(Protocol):
    """Mean states of both texts of ``n`` pairs, read together, ``(n, 2, H)``."""

    def __call__(
        self, first: Sequence[str], second: Sequence[str], *, adapter: PairAdapter
    ) -> FloatArray:
        """Read pairs through the sentence encoder as the adapter changes it."""


@dataclass(frozen=True, slots=True)
class LanguageTools:
    """What a method that reads words may ask.

    Args:
        embed: The engine's sentence encoder.
        fingerprint: Name of that encoder's feature space, for methods that were trained in one.
        log_likelihood: The language model's log-probability of each response given its
            conversation; None where there is no language model.
        read_pairs: The sentence encoder on two texts at once; None where it reads only one.
    """

    embed: Embed
    fingerprint: str
    log_likelihood: LogLikelihood | None = None
    read_pairs: ReadPairs | None = None


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
        tools: LanguageTools,
    ) -> tuple[SelectedInstruction, ...]:
        """Return every instruction with its probability, most probable first.

        Args:
            conversation: The messages so far; the last user turn is the request.
            instructions: The user's active instructions, ``I`` of them.
            request: Sentence embedding of the request, ``(E,)``, unit length.
            embeddings: Sentence embeddings of the instructions, ``(I, E)``, unit length.
            tools: For methods that need more than these embeddings.
        """


class InstructionVerifier(Protocol):
    """Judges whether replies keep instructions."""

    name: str

    def judges(self, instruction: Instruction) -> bool:
        """Say whether this verifier can judge an instruction; cheap, and known before any reply."""

    def verify(
        self,
        conversation: Conversation,
        instructions: Sequence[Instruction],
        responses: Sequence[str],
        *,
        tools: LanguageTools,
    ) -> Verification:
        """Return the probability that each of ``B`` replies keeps each of ``I`` instructions.

        The row of an instruction that it does not judge is NaN; another verifier is asked then.
        """


@runtime_checkable
class MendsReplies(Protocol):
    """A verifier that can also put replies right, by edits that a program can make."""

    def mend(
        self,
        conversation: Conversation,
        instructions: Sequence[Instruction],
        responses: Sequence[str],
    ) -> tuple[Mending | None, ...]:
        """Return each of ``B`` replies as it keeps more of the instructions.

        None where it keeps all that this verifier judges, or where no edit helps.
        """


class InstructionMiner(Protocol):
    """Reads wishes and reactions from a conversation."""

    name: str

    def mine(self, conversation: Conversation, *, tools: LanguageTools) -> Signals:
        """Return what the person's own turns say; nothing is read from anybody else's words."""


class PrincipleInducer(Protocol):
    """Finds rules that explain a person's choices."""

    name: str

    def induce(
        self,
        texts: Sequence[PairText],
        evidence: Evidence,
        *,
        attributes: Sequence[AttributePairs],
        rng: np.random.Generator,
        tools: LanguageTools,
    ) -> tuple[Principle, ...]:
        """Return the rules that hold beyond chance, surest first.

        Args:
            texts: Of the comparisons, ``n`` of them.
            evidence: Features, strengths and targets of the same comparisons, ``n`` rows.
            attributes: Labelled pairs of each named attribute, in the same features.
            rng: Decides how comparisons are shared out between proposing and testing.
            tools: For methods that read words.
        """

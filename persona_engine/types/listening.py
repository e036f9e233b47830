"""Values of what is learned by listening: wishes, reactions, principles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from persona_engine.types.chat import Comparison, Conversation
from persona_engine.types.instruction import Instruction, InstructionKind, Strength

ReactionKind = Literal[
    # satisfied
    "gratitude",
    "praise",
    "learning",
    "compliance",
    "getting_there",
    # dissatisfied
    "negative_feedback",
    "revision",
    "factual_error",
    "unrealistic_expectation",
    "no_engagement",
    "ignored",
    "lower_quality",
    "insufficient_detail",
    "style",
]


@dataclass(frozen=True, slots=True)
class Wish:
    """A standing wish that the person stated in passing.

    Args:
        text: The wish as an instruction, such as "Never use bullet points.".
        quote: The words of the person that it was read from.
        turn: Position of their message in the conversation.
        probability: That it is a wish for later conversations too.
        kind: What sort of wish it is.
        strength: Whether it must hold or is preferred.
        scope: When it applies, in words; empty for always.
    """

    text: str
    quote: str
    turn: int
    probability: float
    kind: InstructionKind = "preference"
    strength: Strength = "prefer"
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a follow-up says about the assistant's reply before it.

    Args:
        turn: Position of the person's follow-up in the conversation.
        satisfied: Whether the person was satisfied.
        kind: Category, after WildFeedback's (Shi et al. 2024).
        probability: That this is so.
    """

    turn: int
    satisfied: bool
    kind: ReactionKind
    probability: float


@dataclass(frozen=True, slots=True)
class FollowUpComparison:
    """A weak comparison: the reply after a complaint is preferred to the one before.

    Args:
        prompt: The messages up to the request.
        chosen: The reply that the person was satisfied with.
        rejected: The reply that they were not.
        weight: Its strength, above 0, at most 1.
        turn: Position of the follow-up that says so.
    """

    prompt: Conversation
    chosen: str
    rejected: str
    weight: float
    turn: int


@dataclass(frozen=True, slots=True)
class Signals:
    """What one conversation says about the person."""

    wishes: tuple[Wish, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    comparisons: tuple[FollowUpComparison, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of listening to one conversation.

    Args:
        signals: What the miner read.
        suggested: Instructions that were kept; each waits for acceptance unless the host opted in.
        comparisons: Comparisons that were learned from.
    """

    signals: Signals
    suggested: tuple[Instruction, ...]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class Principle:
    """A rule that explains a person's choices beyond chance.

    Args:
        text: The rule as an instruction, such as "Prefer concise replies.".
        attribute: The named attribute that it is about, or None.
        supports: Rows of the tested comparisons that it explains.
        opposes: Rows of the tested comparisons that go against it.
        p_value: Of a one-sided test that it explains choices no better than chance.
        adjusted_p_value: The same, corrected for the number of principles tried.
    """

    text: str
    attribute: str | None
    supports: tuple[int, ...]
    opposes: tuple[int, ...]
    p_value: float
    adjusted_p_value: float

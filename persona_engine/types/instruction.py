"""Values of standing instructions: what was said, what applies, what a reply keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from persona_engine.types.evidence import FloatArray

InstructionStatus = Literal["active", "suggested", "superseded", "retracted", "expired"]
InstructionSource = Literal["user", "induced", "operator"]
InstructionKind = Literal["constraint", "preference", "fact", "format"]
Strength = Literal["must", "prefer"]


@dataclass(frozen=True, slots=True)
class Instruction:
    """A standing instruction: what the person said once and expects to hold.

    Args:
        id: Its name.
        text: The person's words.
        kind: What sort of wish it is.
        strength: Whether it must hold or is preferred.
        scope: When it applies, in words, such as "if I ask for flights"; empty for always, or
            where the text says it.
        source: Who said it.
        trust: 0 to 1; operator and user words are 1.
        status: Only ``active`` ones are applied.
        created_at: When it was said.
        valid_from: Applied from then on, or None.
        valid_until: Applied before then, or None.
        supersedes: The instruction that it took the place of (of several the nearest), or None.
        superseded_by: The instruction that took its place, or None.
        language: BCP 47 code of the language it is said in; empty when nobody told.
        rests_on: Ids of the messages or comparisons that it was drawn from.
    """

    id: str
    text: str
    created_at: datetime
    kind: InstructionKind = "preference"
    strength: Strength = "prefer"
    scope: str = ""
    source: InstructionSource = "user"
    trust: float = 1.0
    status: InstructionStatus = "active"
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    supersedes: str | None = None
    superseded_by: str | None = None
    language: str = ""
    rests_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SelectedInstruction:
    """An instruction as the selector judged it for one conversation.

    Args:
        instruction: The instruction.
        probability: That it applies now.
        used: Whether it was placed in the prompt.
        reason: Why it was used or left out, in words.
    """

    instruction: Instruction
    probability: float
    used: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Check:
    """Whether one reply keeps one instruction.

    Args:
        instruction: Its id.
        text: Its words.
        probability: That the reply keeps it; 0 or 1 when a program could tell.
        verifier: Plugin that judged.
        reason: What it saw, in words.
    """

    instruction: str
    text: str
    probability: float
    verifier: str
    reason: str


@dataclass(frozen=True, slots=True)
class Mending:
    """A reply that a program put right.

    Args:
        text: It.
        edits: What was done, in words.
    """

    text: str
    edits: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """What a verifier says of ``I`` instructions and ``B`` replies.

    Args:
        probability: That the reply keeps the instruction, ``(I, B)``; NaN where the verifier cannot
            judge that instruction.
        reasons: What it saw, in words; ``I`` rows of ``B``.
    """

    probability: FloatArray
    reasons: tuple[tuple[str, ...], ...]

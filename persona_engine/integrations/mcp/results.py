"""What the tools return: as text for a model, and as values for a program."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from persona_engine.types import (
    Conversation,
    Instruction,
    Personalization,
    Profile,
    Receipt,
    Role,
)


class Turn(BaseModel):
    """One message of a conversation."""

    role: Role
    content: str


class KeptInstruction(BaseModel):
    """A standing instruction."""

    id: str
    text: str
    scope: str = Field(description="When it applies, in words; empty for always.")
    strength: Literal["must", "prefer"]
    status: str = Field(description="active, suggested, superseded, retracted or expired.")
    superseded_by: str | None = Field(description="Id of the one that took its place.")

    @classmethod
    def of(cls, instruction: Instruction) -> KeptInstruction:
        """Return an instruction as it is told."""
        return cls(
            id=instruction.id,
            text=instruction.text,
            scope=instruction.scope,
            strength=instruction.strength,
            status=instruction.status,
            superseded_by=instruction.superseded_by,
        )


class Instructions(BaseModel):
    """A person's standing instructions."""

    instructions: list[KeptInstruction]


class Learned(BaseModel):
    """What was learned from a preference."""

    comparison: str = Field(description="Its id.")


class LearnedTaste(BaseModel):
    """Where a person stands on one style of replies."""

    style: str
    towards: str = Field(description="Which pole they prefer.")
    strength: float = Field(description="Log-odds of preferring that pole; above 0.")
    spread: float = Field(description="Standard deviation of the strength.")


class KnownPerson(BaseModel):
    """What is known of a person."""

    user: str
    instructions: list[KeptInstruction]
    comparisons: int
    tastes: list[LearnedTaste] = Field(description="Strongest first.")
    set_by_hand: dict[str, float] = Field(description="What they asked for by a style's name.")
    described_as: dict[str, str]

    @classmethod
    def of(cls, profile: Profile) -> KnownPerson:
        """Return a profile as it is told."""
        return cls(
            user=profile.user,
            instructions=[KeptInstruction.of(each) for each in profile.instructions],
            comparisons=profile.comparisons,
            tastes=[
                LearnedTaste(
                    style=each.style,
                    towards=each.high if each.mean > 0 else each.low,
                    strength=abs(each.mean),
                    spread=each.std,
                )
                for each in profile.tastes
            ],
            set_by_hand=dict(profile.steering),
            described_as=dict(profile.traits),
        )


class PersonalContext(BaseModel):
    """What a host's own model is to be told before it answers."""

    system: str = Field(description="To add to the system prompt; empty where nothing applies.")
    messages: list[Turn] = Field(description="Or the conversation with the same in its place.")
    adapter: str | None = Field(description="LoRA adapter to answer with, if the host has it.")
    why: str

    @classmethod
    def of(cls, asked: Conversation, found: Personalization) -> PersonalContext:
        """Return what applies to a conversation as it is told."""
        return cls(
            system="\n\n".join(_added(asked, found)),
            messages=[Turn(role=each["role"], content=each["content"]) for each in found.messages],
            adapter=found.adapter,
            why=found.trace.reason,
        )


class Forgotten(BaseModel):
    """Proof of what was erased."""

    user: str
    erased_at: str
    rows: dict[str, int]
    index_vectors: dict[str, int]
    cached_embeddings: int
    files: dict[str, int]
    remains: list[str] = Field(description="What is left, and until when.")
    sha256: str

    @classmethod
    def of(cls, receipt: Receipt) -> Forgotten:
        """Return a receipt as it is told."""
        return cls(
            user=receipt.user,
            erased_at=receipt.erased_at.isoformat(),
            rows=dict(receipt.rows),
            index_vectors=dict(receipt.index_vectors),
            cached_embeddings=receipt.cached_embeddings,
            files=dict(receipt.files),
            remains=list(receipt.remains),
            sha256=receipt.sha256,
        )


def _added(asked: Conversation, found: Personalization) -> list[str]:
    """Return what was appended to the messages of a conversation."""
    pairs = zip(asked, found.messages, strict=True)
    return [
        after["content"].removeprefix(before["content"]).strip()
        for before, after in pairs
        if after["content"] != before["content"]
    ]

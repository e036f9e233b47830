"""What is told of the engine's values that hold conversations."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel

from persona_engine.types import (
    Comparison,
    Heard,
    Instruction,
    Personalization,
    Reaction,
    Trace,
    Wish,
)


class HeardTold(BaseModel):
    """What came of listening to a conversation.

    Attributes:
        wishes: Standing wishes that were read.
        reactions: What follow-ups say about the replies before them.
        suggested: Instructions that were kept; each waits for acceptance unless the host opted in.
        comparisons: What was learned from.
    """

    wishes: tuple[Wish, ...]
    reactions: tuple[Reaction, ...]
    suggested: tuple[Instruction, ...]
    comparisons: tuple[Comparison, ...]

    @classmethod
    def of(cls, heard: Heard) -> Self:
        """Return what is told of it."""
        return cls(
            wishes=heard.signals.wishes,
            reactions=heard.signals.reactions,
            suggested=heard.suggested,
            comparisons=heard.comparisons,
        )


class PersonalizationTold(BaseModel):
    """What a host needs to call its own model for a person.

    Attributes:
        messages: The conversation with the applying instructions beside the last user turn.
        adapter: Adapter to name in the request, or None for the base model.
        decoding: Settings for sampling: `n`, `temperature`, `top_p`, `max_tokens`.
        trace: Instructions used and left out, and milliseconds by step.
    """

    messages: list[dict[str, str]]
    adapter: str | None
    decoding: dict[str, Any]
    trace: Trace

    @classmethod
    def of(cls, personalized: Personalization) -> Self:
        """Return what is told of it."""
        return cls(
            messages=[{str(k): str(v) for k, v in each.items()} for each in personalized.messages],
            adapter=personalized.adapter,
            decoding=dict(personalized.decoding),
            trace=personalized.trace,
        )

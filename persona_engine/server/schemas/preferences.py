"""What people say they prefer, and what is asked of it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from persona_engine.server.schemas.messages import ChatMessage, Prompt
from persona_engine.server.schemas.texts import Asked, Text


class NewComparison(Asked):
    """One reply to a prompt was preferred to another.

    Attributes:
        prompt: What the replies answer: a text, or messages.
        chosen: The preferred one.
        rejected: The other.
        weight: How strongly, 1 for a plain answer.
        tie: Whether neither was preferred after all.
    """

    prompt: Prompt
    chosen: Text
    rejected: Text
    weight: Annotated[float, Field(ge=0.0)] = 1.0
    tie: bool = False


class Feedback(Asked):
    """What a person says about a reply; exactly one of the four.

    Attributes:
        rating: -1 to 1.
        better: The text that the person would have liked.
        chosen: The candidate that the person picked, by its position in the trace or its text.
        ranking: Positions of two or more candidates, best first.
    """

    rating: Annotated[float, Field(ge=-1.0, le=1.0)] | None = None
    better: Text | None = None
    chosen: Annotated[int, Field(ge=0)] | Text | None = None
    ranking: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        given = [name for name in ("rating", "better", "chosen", "ranking") if self._has(name)]
        if len(given) != 1:
            raise ValueError("expected exactly one of rating, better, chosen and ranking")
        return self

    def _has(self, name: str) -> bool:
        return getattr(self, name) is not None


class Candidates(Asked):
    """Replies that the host has already."""

    prompt: Prompt
    candidates: Annotated[list[Text], Field(min_length=1, max_length=256)]


class Messages(Asked):
    """A conversation."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]

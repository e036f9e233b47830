"""Messages, as OpenAI's API has them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from persona_engine.server.schemas.texts import LONGEST_TEXT, Text

_Content = Annotated[str, Field(max_length=LONGEST_TEXT)]


class TextPart(BaseModel):
    """One part of a message; only text is read."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["text", "input_text", "output_text"]
    text: _Content


class ChatMessage(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: _Content | list[TextPart] | None = None
    name: Annotated[str, Field(max_length=256)] | None = None


Prompt = Text | Annotated[list[ChatMessage], Field(min_length=1)]
"""What a reply answers: a text, or messages."""

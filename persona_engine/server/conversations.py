"""Conversations as they are sent, as the engine takes them."""

from __future__ import annotations

from collections.abc import Sequence

from persona_engine.server.schemas.messages import ChatMessage
from persona_engine.types import Conversation, Message


def message(given: ChatMessage) -> Message:
    """Return one message; of several parts of text one text."""
    role = "system" if given.role == "developer" else given.role
    content = given.content
    if isinstance(content, list):
        content = "\n".join(part.text for part in content)
    made: Message = {"role": role, "content": content or ""}
    if given.name is not None:
        made["name"] = given.name
    return made


def prompt(given: str | Sequence[ChatMessage]) -> str | Conversation:
    """Return what a reply answers: a text, or messages."""
    return given if isinstance(given, str) else [message(each) for each in given]

"""Messages of OpenAI's API as the engine reads them, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from persona_engine.types import Conversation, Message, Role

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}

Messages = Sequence[Mapping[str, Any]]


def as_texts(messages: Messages) -> list[Message]:
    """Return the words of messages; pictures, sounds and calls of tools have none.

    Raises:
        KeyError: A role is unknown.

    Examples:
        >>> parts = [{"type": "text", "text": "What is"}, {"type": "image_url", "image_url": {}}]
        >>> as_texts([{"role": "user", "content": parts}])
        [{'role': 'user', 'content': 'What is'}]
    """
    return [
        Message(role=_ROLES[each["role"]], content=_words(each.get("content"))) for each in messages
    ]


def with_placed(messages: Messages, texts: Conversation, placed: Conversation) -> Messages:
    """Return messages with what was appended to their texts appended to them.

    Args:
        messages: As the host gave them; they are not changed.
        texts: Their words.
        placed: The same, some with more at their end.

    Returns:
        The very same object where nothing was appended.

    Raises:
        ValueError: Something else than an end was changed.
    """
    changed = list(messages)
    for place, (before, after) in enumerate(zip(texts, placed, strict=True)):
        if before["content"] == after["content"]:
            continue
        if not after["content"].startswith(before["content"]):
            raise ValueError(f"message {place} was changed otherwise than at its end")
        changed[place] = _appended(messages[place], after["content"][len(before["content"]) :])
    return changed if any(a is not b for a, b in zip(changed, messages, strict=True)) else messages


def _words(content: object) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, Sequence):
        raise TypeError(f"content is a {type(content).__name__}, expected text or parts")
    return "\n".join(part["text"] for part in content if part.get("type") == "text")


def _appended(message: Mapping[str, Any], more: str) -> dict[str, Any]:
    content = message.get("content")
    if content is None or isinstance(content, str):
        return {**message, "content": (content or "") + more}
    return {**message, "content": [*content, {"type": "text", "text": more.lstrip("\n")}]}

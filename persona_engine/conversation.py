"""Checks conversations before anything is done with them."""

from __future__ import annotations

from collections.abc import Sequence

from persona_engine.errors import InvalidInputError
from persona_engine.store import check_json
from persona_engine.types import Conversation

_ROLES = ("system", "user", "assistant", "tool")
LONGEST_MESSAGE = 1_000_000


def check_conversation(messages: object) -> None:
    """Raise unless these are OpenAI-style messages.

    Raises:
        InvalidInputError: Not a list of one or more messages with a known role and text that can be
            stored.
    """
    if isinstance(messages, str | bytes) or not isinstance(messages, Sequence) or not messages:
        raise InvalidInputError(
            f"messages is {str(messages)[:80]!r}, expected a list of one or more messages",
            remedy='pass [{"role": "user", "content": "…"}]',
        )
    for position, message in enumerate(messages):
        where = f"message {position}"
        if not isinstance(message, dict):
            raise InvalidInputError(
                f"{where} is {message!r}, expected a dict with role and content"
            )
        if message.get("role") not in _ROLES:
            raise InvalidInputError(
                f"{where} has the role {message.get('role')!r}, expected one of {', '.join(_ROLES)}"
            )
        content = message.get("content")
        if not isinstance(content, str):
            raise InvalidInputError(f"{where} has the content {content!r}, expected text")
        if len(content) > LONGEST_MESSAGE:
            raise InvalidInputError(
                f"{where} has {len(content):,} characters, expected at most {LONGEST_MESSAGE:,}",
                remedy="shorten it",
            )
        check_json(where, message)


def as_conversation(prompt: Conversation | str) -> Conversation:
    """Return a prompt as messages."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def last_request(conversation: Conversation) -> str:
    """Return what the user said last, or nothing.

    Examples:
        >>> last_request([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "?"}])
        'Hi'
    """
    said = (each["content"] for each in reversed(conversation) if each["role"] == "user")
    return next(said, "")

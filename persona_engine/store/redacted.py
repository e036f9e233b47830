"""Values as they may be stored: every text in them has gone through the store's redaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from persona_engine.store.records import NewComparison
from persona_engine.types import Conversation, Instruction

Redact = Callable[[str], str]

_TEXTS = frozenset(
    (
        *("text", "content", "prompt", "chosen", "rejected", "scope", "candidates", "reason"),
        *("reasons", "note", "edits"),
    )
)
"""Fields of traces and of exported documents that hold what people or models wrote."""


def as_it_is(text: str) -> str:
    """Return a text unchanged."""
    return text


def comparison(new: NewComparison, redact: Redact) -> NewComparison:
    """Return a comparison as it may be stored."""
    if redact is as_it_is:
        return new
    return replace(
        new, prompt=redact(new.prompt), chosen=redact(new.chosen), rejected=redact(new.rejected)
    )


def instruction(new: Instruction, redact: Redact) -> Instruction:
    """Return an instruction as it may be stored."""
    if redact is as_it_is:
        return new
    return replace(new, text=redact(new.text), scope=redact(new.scope))


def conversation(messages: Conversation, redact: Redact) -> Conversation:
    """Return messages as they may be stored."""
    if redact is as_it_is:
        return messages
    return [{**each, "content": redact(each["content"])} for each in messages]


def texts(values: Sequence[str], redact: Redact) -> Sequence[str]:
    """Return texts as they may be stored."""
    return values if redact is as_it_is else [redact(each) for each in values]


def document(value: Mapping[str, Any], redact: Redact) -> Mapping[str, Any]:
    """Return a trace, or an exported document, as it may be stored."""
    found: Mapping[str, Any] = value if redact is as_it_is else _told(value, redact, text=False)
    return found


def _told(value: Any, redact: Redact, *, text: bool) -> Any:  # noqa: ANN401  # JSON
    if isinstance(value, Mapping):
        return {name: _told(each, redact, text=name in _TEXTS) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_told(each, redact, text=text) for each in value]
    return redact(value) if text and isinstance(value, str) else value

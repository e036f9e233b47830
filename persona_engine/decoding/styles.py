"""Candidates drawn under different wishes about style, and read as replies to the plain prompt."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice

from persona_engine.types import Conversation, Message, Prompt, Reading

_OPENING, _CLOSING = "<style>", "</style>"
_INTRODUCTION = "Keep to this in your reply:"


def styled_prompts(
    conversation: Conversation, styles: Sequence[str], *, plain: int, styled: int
) -> tuple[Prompt, ...]:
    """Return prompts of plain branches, then of branches that take turns in the styles.

    A styled branch y ~ p(y | x, style) has the plain prompt as its first reading, of weight 0: it
    decides nothing, but features and log-probability are read there, so that rewards and
    likelihoods of all branches are of replies to the same prompt, from the first token on.

    Args:
        conversation: The plain prompt, x.
        styles: Wishes, best first, each one line that is safe in a prompt.
        plain: Number of plain branches.
        styled: Number of styled branches.
    """
    x = Reading(conversation)
    under = [
        Prompt((Reading(conversation, 0.0), Reading(with_style(conversation, style))))
        for style in islice(cycle(styles), styled)
    ]
    return (*[Prompt((x,))] * plain, *under)


def with_style(conversation: Conversation, style: str) -> tuple[Message, ...]:
    """Return the conversation with a wish about style in its system message.

    Examples:
        >>> turn = Message(role="user", content="Plan my weekend")
        >>> print(with_style([turn], "Be funny.")[0]["content"])
        <style>
        Keep to this in your reply:
        - Be funny.
        </style>
    """
    block = "\n".join((_OPENING, _INTRODUCTION, f"- {style}", _CLOSING))
    if conversation and conversation[0]["role"] == "system":
        first = conversation[0].copy()
        first["content"] = f"{first['content']}\n\n{block}".strip()
        return (first, *conversation[1:])
    return (Message(role="system", content=block), *conversation)

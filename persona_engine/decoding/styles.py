"""Candidates drawn under different wishes about style, and read as replies to the plain prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice

from persona_engine.types import Conversation, Message, Prompt, Reading


def styled_prompts(
    x: Reading, styles: Sequence[str], *, plain: int, styled: int
) -> tuple[Prompt, ...]:
    """Return prompts of plain branches, then of branches that take turns in the styles.

    A styled branch y ~ p(y | x, style) has the plain prompt as its first reading, of weight 0: it
    decides nothing, but features and log-probability are read there, so that rewards and
    likelihoods of all branches are of replies to the same prompt, from the first token on.

    Args:
        x: The plain prompt.
        styles: Wishes, best first, each one line that is safe in a prompt.
        plain: Number of plain branches.
        styled: Number of styled branches.
    """
    under = [
        Prompt((replace(x, weight=0.0), replace(x, conversation=with_style(x.conversation, style))))
        for style in islice(cycle(styles), styled)
    ]
    return (*[Prompt((x,))] * plain, *under)


def with_style(conversation: Conversation, style: str) -> tuple[Message, ...]:
    """Return the conversation with a wish about style at the end of its last user turn.

    Without a user turn the conversation stays as it is.

    Examples:
        >>> turn = Message(role="user", content="Plan my weekend.")
        >>> with_style([turn], "Be funny.")[0]["content"]
        'Plan my weekend. Be funny.'
    """
    messages = list(conversation)
    turns = [i for i, message in enumerate(messages) if message["role"] == "user"]
    if turns:
        changed = messages[turns[-1]].copy()
        changed["content"] = f"{changed['content']} {style}".strip()
        messages[turns[-1]] = changed
    return tuple(messages)

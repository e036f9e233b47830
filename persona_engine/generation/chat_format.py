"""Conversations and replies as tokens: chat template, control tokens, context limit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from persona_engine.errors import InvalidInputError, WeightsError
from persona_engine.types import Conversation, Message

_ROLES = ("system", "user", "assistant", "tool")


class ChatFormat:
    """Turns conversations into token ids with the model's own chat template.

    Control tokens (such as ``<|im_start|>``) that a person typed are broken up, so that nobody can
    open a turn of another role by writing one.

    Args:
        tokenizer: A transformers tokenizer.

    Raises:
        WeightsError: The tokenizer has no chat template.
    """

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401  # a transformers tokenizer
        if not tokenizer.chat_template:
            raise WeightsError(
                f"{tokenizer.name_or_path} has no chat template, expected a model that was trained "
                "to chat",
                remedy="use an instruct model",
            )
        self._tokenizer = tokenizer
        control = sorted(map(re.escape, tokenizer.all_special_tokens), key=len, reverse=True)
        self._control = re.compile("|".join(control) or "(?!)")

    def reply_ids(self, text: str) -> list[int]:
        """Return the tokens of a reply, as they follow the assistant's header.

        Raises:
            InvalidInputError: The text is blank or not valid Unicode.
        """
        if not text.strip():
            raise InvalidInputError(f"response is {text!r}, expected text that is not blank")
        return self._ids(self._safe(text))

    def prompt_ids(self, conversation: Conversation, *, room: int) -> list[int]:
        """Return the tokens up to the assistant's header; at most ``room`` of them.

        A conversation that is too long loses its oldest exchanges first, system messages last;
        what is still too long keeps its end. An empty one is the bare header.

        Raises:
            InvalidInputError: A message is malformed, or the template refuses the conversation.
        """
        messages = [self._checked(message) for message in conversation]
        ids = self._ids(self._render(messages))
        if len(ids) > room:
            ids = self._ids(self._render(self._newest(messages, len(ids) - room)))
        return ids[-room:]

    def count(self, text: str) -> int:
        """Return the length of a text in tokens."""
        return len(self._ids(self._safe(text)))

    def _newest(self, messages: Sequence[Message], excess: int) -> list[Message]:
        """Drop whole exchanges, oldest first, until ``excess`` tokens are gone or one is left."""
        system = [message for message in messages if message["role"] == "system"]
        rest = [message for message in messages if message["role"] != "system"]
        starts = [i for i, message in enumerate(rest) if message["role"] == "user"][1:]
        dropped = kept_from = 0
        for start in starts:
            if dropped >= excess:
                break
            dropped += sum(self.count(message["content"]) for message in rest[kept_from:start])
            kept_from = start
        return system + rest[kept_from:]

    def _render(self, messages: list[Message]) -> str:
        if not messages:
            return self._bare_header()
        try:
            rendered: str = self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # templates raise jinja errors of their own making
            roles = [message["role"] for message in messages]
            raise InvalidInputError(
                f"the model's chat template refuses the roles {roles}: {error}",
                remedy="alternate user and assistant messages, after at most one system message",
            ) from error
        return rendered

    def _bare_header(self) -> str:
        probe: list[Message] = [{"role": "user", "content": "."}]
        closed: str = self._tokenizer.apply_chat_template(probe, tokenize=False)
        return self._render(probe).removeprefix(closed)

    def _checked(self, message: Message) -> Message:
        role, content = message.get("role"), message.get("content")
        if role not in _ROLES or not isinstance(content, str):
            raise InvalidInputError(
                f"message has role {role!r} and content of type {type(content).__name__}, "
                f"expected a role of {', '.join(_ROLES)} and a string"
            )
        return {"role": role, "content": self._safe(content)}

    def _safe(self, text: str) -> str:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                f"text holds a lone surrogate at position {error.start}, expected valid Unicode"
            ) from error
        return self._control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False, verbose=False)
        return ids

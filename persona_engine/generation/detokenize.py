"""Turns a growing list of tokens into text, a settled piece at a time."""

from __future__ import annotations

from typing import Any

_INCOMPLETE = "\ufffd"  # decoders show the bytes of an unfinished character like this


class TextStream:
    """The text of the tokens so far, less any character whose last bytes are still to come.

    Only the newest tokens are decoded again, so that a step costs the same however long the text
    is. What has been in `text` once stays there.

    Args:
        tokenizer: A transformers tokenizer.
    """

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401  # a transformers tokenizer
        self._tokenizer = tokenizer
        self._window: list[int] = []  # the newest tokens, after one step's worth of context
        self._context = 0  # how many of them are context, already in `text`
        self._shown = 0  # characters of the decoded window that are in `text`
        self.text = ""

    def push(self, token: int) -> None:
        """Append a token."""
        self._window.append(token)
        decoded = self._decode(self._window)
        settled = decoded.rstrip(_INCOMPLETE)
        if len(settled) > self._shown:
            self.text += settled[self._shown :]
            self._shown = len(settled)
        if settled == decoded and decoded:
            self._window = self._window[self._context :]
            self._context = len(self._window)
            self._shown = len(self._decode(self._window))

    def copy(self) -> TextStream:
        """Return an independent stream that continues from here."""
        twin = TextStream(self._tokenizer)
        twin._window, twin._context = list(self._window), self._context
        twin._shown, twin.text = self._shown, self.text
        return twin

    def _decode(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

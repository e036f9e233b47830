"""The interface of what takes personal data out of texts before they are stored."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Redactor(Protocol):
    """Takes out of a text what must not be kept.

    The engine asks before a text is written or learned from: messages and texts of replies,
    instructions, comparisons, feedback, what the host says of a person, imports. What the person is
    shown, and what the language model reads in the meantime, stays as it is.
    """

    @property
    def name(self) -> str:
        """Name of the plugin."""
        ...

    def redact(self, text: str) -> str:
        """Return the text without what must not be kept.

        It must be a function of the text alone, change nothing when it is applied again, and leave
        something of what was not blank. Text in which there is nothing to take out is returned
        unchanged. An error keeps the text from being stored.
        """
        ...

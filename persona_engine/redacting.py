"""What must not be kept is taken out of texts, by the redactors that the settings name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from persona_engine.errors import PluginError
from persona_engine.interfaces import Redactor

_REMEMBERED = 1_024


class Redaction:
    """Applies redactors one after another.

    Args:
        redactors: In their order.
    """

    def __init__(self, redactors: Sequence[Redactor]) -> None:
        self._redactors = tuple(redactors)
        # A text is redacted where it is learned from, and again where it is stored.
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._redacted)

    def __call__(self, text: str) -> str:
        """Return a text as it may be stored.

        Raises:
            PluginError: A redactor failed, or left nothing; the text must not be stored then.
        """
        return self._remembered(text) if isinstance(text, str) else text

    def _redacted(self, text: str) -> str:
        for each in self._redactors:
            before = text
            try:
                text = each.redact(before)
            except Exception as error:
                # No word of the text: neither in the message nor in what caused it.
                raise PluginError(
                    f"redactor {each.name!r} failed with {type(error).__name__}, so nothing was "
                    "stored",
                    remedy="mend the plugin, or take it out of the setting redactors",
                ) from None
            if not isinstance(text, str) or (before.strip() and not text.strip()):
                raise PluginError(
                    f"redactor {each.name!r} left {type(text).__name__} without content, expected "
                    "text",
                    remedy="put a word such as [phone] in the place of what is taken out",
                )
        return text

"""``chat.completions`` with the keyword ``personal``, which reaches the request as a header.

The header is how the SDK itself tells a request what one call wants (``with_raw_response``); it is
taken off before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, wraps
from typing import Any

from openai.resources.chat import AsyncChat, Chat
from openai.resources.chat.completions import AsyncCompletions, Completions

PERSONAL = "X-Persona-Personal"


def marked(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call with ``personal`` moved into its headers.

    Examples:
        >>> marked({"model": "m", "personal": False})
        {'model': 'm', 'extra_headers': {'X-Persona-Personal': '0'}}
    """
    personal = arguments.pop("personal", None)
    if personal is None:
        return arguments
    headers = arguments.get("extra_headers") or {}
    return {**arguments, "extra_headers": {**headers, PERSONAL: str(int(bool(personal)))}}


def unmarked(options: Mapping[str, Any]) -> tuple[dict[str, Any], bool | None]:
    """Return the options of a request without the mark, and what it said.

    Examples:
        >>> unmarked({"headers": {"X-Persona-Personal": "0", "a": "b"}})
        ({'headers': {'a': 'b'}}, False)
    """
    headers = options.get("headers")
    if not isinstance(headers, Mapping) or PERSONAL not in headers:
        return dict(options), None
    rest = {name: value for name, value in headers.items() if name != PERSONAL}
    return {**options, "headers": rest}, headers[PERSONAL] == "1"


class PersonalCompletions(Completions):
    """``chat.completions`` of a personal client."""

    @wraps(Completions.create)
    def create(self, *args: Any, **arguments: Any) -> Any:  # type: ignore[override]
        """See `openai.resources.chat.completions.Completions.create`."""
        return super().create(*args, **marked(arguments))

    @wraps(Completions.parse)
    def parse(self, *args: Any, **arguments: Any) -> Any:  # type: ignore[override]
        """See `openai.resources.chat.completions.Completions.parse`."""
        return super().parse(*args, **marked(arguments))

    @wraps(Completions.stream)
    def stream(self, *args: Any, **arguments: Any) -> Any:  # type: ignore[override]
        """See `openai.resources.chat.completions.Completions.stream`."""
        return super().stream(*args, **marked(arguments))


class AsyncPersonalCompletions(AsyncCompletions):
    """``chat.completions`` of a personal client that is awaited."""

    @wraps(AsyncCompletions.create)
    async def create(self, *args: Any, **arguments: Any) -> Any:  # type: ignore[override]
        """See `openai.resources.chat.completions.AsyncCompletions.create`."""
        return await super().create(*args, **marked(arguments))

    @wraps(AsyncCompletions.parse)
    async def parse(self, *args: Any, **arguments: Any) -> Any:  # type: ignore[override]
        """See `openai.resources.chat.completions.AsyncCompletions.parse`."""
        return await super().parse(*args, **marked(arguments))

    @wraps(AsyncCompletions.stream)
    def stream(self, *args: Any, **arguments: Any) -> Any:  # type: ignore[override]
        """See `openai.resources.chat.completions.AsyncCompletions.stream`."""
        return super().stream(*args, **marked(arguments))


class PersonalChat(Chat):
    """``chat`` of a personal client."""

    @cached_property
    def completions(self) -> Completions:
        """Completions that know ``personal``."""
        return PersonalCompletions(self._client)


class AsyncPersonalChat(AsyncChat):
    """``chat`` of a personal client that is awaited."""

    @cached_property
    def completions(self) -> AsyncCompletions:
        """Completions that know ``personal``."""
        return AsyncPersonalCompletions(self._client)

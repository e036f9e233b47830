"""Where a server is, and which of its models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from urllib.parse import urldefrag, urlsplit

from persona_engine.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Address:
    """A server and a model.

    Args:
        url: Of the server's API, such as ``http://127.0.0.1:8000/v1``.
        model: What the server calls the model; None for the only one it has.
    """

    url: str
    model: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``URL#MODEL``; without a path ``/v1`` is meant.

        Raises:
            ConfigError: It is no address of a server, or holds a password.

        Examples:
            >>> Address.parse("http://127.0.0.1:8000#smollm2")
            Address(url='http://127.0.0.1:8000/v1', model='smollm2')
        """
        url, model = urldefrag(text)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ConfigError(
                f"address is {text!r}, expected http://HOST:PORT/v1#MODEL",
                remedy="correct the setting generator",
            )
        if parts.username or parts.password:
            raise ConfigError(
                f"the address of {parts.hostname!r} holds a user or password, expected none",
                remedy="name the environment variable that holds the key as api_key_env",
            )
        path = parts.path.rstrip("/") or "/v1"
        return cls(f"{parts.scheme}://{parts.netloc}{path}", model or None)

    def __str__(self) -> str:
        """Return it as it was written."""
        return self.url if self.model is None else f"{self.url}#{self.model}"

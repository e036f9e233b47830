"""Generators on servers that speak OpenAI's protocol; openai is loaded with the first request."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import Generator
from persona_openai_compatible.breaker import Breaker
from persona_openai_compatible.generator import OpenAICompatible

__all__ = ["Breaker", "OpenAICompatible"]


@hookimpl
def persona_generators() -> Mapping[str, Callable[..., Generator]]:
    """Register ``openai_compatible``."""
    return {"openai_compatible": OpenAICompatible}

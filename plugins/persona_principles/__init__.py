"""Inverse constitutional AI: rules that explain a person's choices beyond chance."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import PrincipleInducer
from persona_principles.inducer import Principles

__all__ = ["Principles"]


@hookimpl
def persona_principle_inducers() -> Mapping[str, Callable[..., PrincipleInducer]]:
    """Register ``principles``."""
    return {Principles.name: Principles}

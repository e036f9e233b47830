"""Verifies what no program can check: whether a reply respects a taste, an aversion, a fact."""

from collections.abc import Callable, Mapping

from persona_adherence.verifier import AdherenceVerifier
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import InstructionVerifier

__all__ = ["AdherenceVerifier"]


@hookimpl
def persona_instruction_verifiers() -> Mapping[str, Callable[..., InstructionVerifier]]:
    """Register ``adherence``."""
    return {AdherenceVerifier.name: AdherenceVerifier}

"""Selects standing instructions by the relation of condition, slot and request."""

from collections.abc import Callable, Mapping

from persona_applicability.selector import ApplicabilitySelector
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import InstructionSelector

__all__ = ["ApplicabilitySelector"]


@hookimpl
def persona_instruction_selectors() -> Mapping[str, Callable[..., InstructionSelector]]:
    """Register ``applicability``."""
    return {ApplicabilitySelector.name: ApplicabilitySelector}

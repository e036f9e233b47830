"""Selects standing instructions by asking the language model, by log-likelihood."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import InstructionSelector
from persona_likelihood_selector.selector import LikelihoodSelector

__all__ = ["LikelihoodSelector"]


@hookimpl
def persona_instruction_selectors() -> Mapping[str, Callable[..., InstructionSelector]]:
    """Register ``likelihood_selector``."""
    return {LikelihoodSelector.name: LikelihoodSelector}

"""Selects standing instructions by sentence embeddings: how general, and how near the request."""

from collections.abc import Callable, Mapping

from persona_embedding_selector.selector import EmbeddingSelector
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import InstructionSelector

__all__ = ["EmbeddingSelector"]


@hookimpl
def persona_instruction_selectors() -> Mapping[str, Callable[..., InstructionSelector]]:
    """Register ``embedding_selector``."""
    return {EmbeddingSelector.name: EmbeddingSelector}

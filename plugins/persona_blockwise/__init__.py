"""Blockwise decoding: every few tokens the branches that promise most take the others' places."""

from collections.abc import Callable, Mapping

from persona_blockwise.decoder import Blockwise
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import Decoder

__all__ = ["Blockwise"]


@hookimpl
def persona_decoders() -> Mapping[str, Callable[..., Decoder]]:
    """Register ``blockwise``."""
    return {Blockwise.name: Blockwise}

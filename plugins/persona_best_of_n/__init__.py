"""Best-of-n decoding: sample replies side by side, show the one this person would prefer."""

from collections.abc import Callable, Mapping

from persona_best_of_n.decoder import BestOfN
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import Decoder

__all__ = ["BestOfN"]


@hookimpl
def persona_decoders() -> Mapping[str, Callable[..., Decoder]]:
    """Register ``best_of_n``."""
    return {BestOfN.name: BestOfN}

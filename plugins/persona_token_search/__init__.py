"""Token search: each token is chosen by its likelihood and by what it does to the reward."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import Decoder
from persona_token_search.decoder import TokenSearch

__all__ = ["TokenSearch"]


@hookimpl
def persona_decoders() -> Mapping[str, Callable[..., Decoder]]:
    """Register ``token_search``."""
    return {TokenSearch.name: TokenSearch}

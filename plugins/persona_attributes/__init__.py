"""Users as directions over named attributes (ArmoRM, DPA, PrefPalette), with uncertainty."""

from collections.abc import Callable, Mapping

from persona_attributes.reward_model import Attributes
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import RewardModel

__all__ = ["Attributes"]


@hookimpl
def persona_reward_models() -> Mapping[str, Callable[..., RewardModel]]:
    """Register ``attributes``."""
    return {Attributes.name: Attributes}

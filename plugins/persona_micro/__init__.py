"""Reward heads chosen by the prompt and by a user's answers (MiCRo)."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import RewardModel
from persona_micro.reward_model import Micro

__all__ = ["Micro"]


@hookimpl
def persona_reward_models() -> Mapping[str, Callable[..., RewardModel]]:
    """Register ``micro``."""
    return {Micro.name: Micro}

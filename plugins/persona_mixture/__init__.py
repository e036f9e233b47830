"""Mixture of reward heads, one a group of users, by EM (MaxMin-RLHF)."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import RewardModel
from persona_mixture.reward_model import Mixture

__all__ = ["Mixture"]


@hookimpl
def persona_reward_models() -> Mapping[str, Callable[..., RewardModel]]:
    """Register ``mixture``."""
    return {Mixture.name: Mixture}

"""Pluralistic alignment by ideal points (Chen et al. 2024, arXiv:2406.08469)."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import RewardModel
from persona_pal.reward_model import Pal

__all__ = ["Pal"]


@hookimpl
def persona_reward_models() -> Mapping[str, Callable[..., RewardModel]]:
    """Register ``pal``."""
    return {Pal.name: Pal}

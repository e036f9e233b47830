"""Variational preference learning (Poddar et al. 2024): one encoder pass makes a posterior."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import RewardModel
from persona_vpl.reward_model import Variational

__all__ = ["Variational"]


@hookimpl
def persona_reward_models() -> Mapping[str, Callable[..., RewardModel]]:
    """Register ``vpl``."""
    return {Variational.name: Variational}

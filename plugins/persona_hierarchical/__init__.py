"""Hierarchical Bayesian preferences in a learned low-rank space: the default reward model."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import RewardModel
from persona_hierarchical.reward_model import Hierarchical

__all__ = ["Hierarchical"]


@hookimpl
def persona_reward_models() -> Mapping[str, Callable[..., RewardModel]]:
    """Register ``hierarchical``."""
    return {Hierarchical.name: Hierarchical}

"""Group preference optimisation (Zhao, Dang & Grover 2023): users as the context of a network."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import RewardModel
from persona_gpo.reward_model import GroupPreferenceOptimisation

__all__ = ["GroupPreferenceOptimisation"]


@hookimpl
def persona_reward_models() -> Mapping[str, Callable[..., RewardModel]]:
    """Register ``gpo``."""
    return {GroupPreferenceOptimisation.name: GroupPreferenceOptimisation}

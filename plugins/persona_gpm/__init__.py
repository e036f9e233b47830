"""General preferences, intransitive ones too (Zhang et al. 2024, arXiv:2410.02197)."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import RewardModel
from persona_gpm.reward_model import Gpm

__all__ = ["Gpm"]


@hookimpl
def persona_reward_models() -> Mapping[str, Callable[..., RewardModel]]:
    """Register ``gpm``."""
    return {Gpm.name: Gpm}

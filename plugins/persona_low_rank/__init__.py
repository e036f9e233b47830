"""Low-rank reward models: LoRe (Bose et al. 2025) and PReF (Shenfeld et al. 2025)."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import RewardModel
from persona_low_rank.lore import Lore
from persona_low_rank.pref import Pref
from persona_low_rank.queries import query_values

__all__ = ["Lore", "Pref", "query_values"]


@hookimpl
def persona_reward_models() -> Mapping[str, Callable[..., RewardModel]]:
    """Register ``lore`` and ``pref``."""
    return {Lore.name: Lore, Pref.name: Pref}

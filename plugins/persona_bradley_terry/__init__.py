"""Pooled Bradley–Terry regression (Bradley & Terry 1952): the baseline of every reward model."""

from collections.abc import Callable, Mapping

from persona_bradley_terry.reward_model import BradleyTerry
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import RewardModel

__all__ = ["BradleyTerry"]


@hookimpl
def persona_reward_models() -> Mapping[str, Callable[..., RewardModel]]:
    """Register ``bradley_terry``."""
    return {BradleyTerry.name: BradleyTerry}

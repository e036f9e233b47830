"""Few-shot preferences (Singh et al. 2025): a user's choices in the language model's own prompt."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import RewardModel
from persona_fspo.reward_model import FewShotPreference

__all__ = ["FewShotPreference"]


@hookimpl
def persona_reward_models() -> Mapping[str, Callable[..., RewardModel]]:
    """Register ``fspo``."""
    return {FewShotPreference.name: FewShotPreference}

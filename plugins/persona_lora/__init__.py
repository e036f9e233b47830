"""LoRA adapters for groups of users, trained on what they prefer with TRL's trainers."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import AdapterTrainer
from persona_lora.pairwise import Dpo, Ipo, RobustDpo

__all__ = ["Dpo", "Ipo", "RobustDpo"]

_TRAINERS = (Dpo, Ipo, RobustDpo)


@hookimpl
def persona_adapter_trainers() -> Mapping[str, Callable[..., AdapterTrainer]]:
    """Register each method under its name."""
    return {trainer.name: trainer for trainer in _TRAINERS}

"""LoRA adapters for groups of users: TRL's trainers, and a solution in closed form."""

from collections.abc import Callable, Mapping

from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import AdapterTrainer
from persona_lora.listwise import Listwise
from persona_lora.own_samples import Directional, Raft
from persona_lora.pairwise import Dpo, Ipo, RobustDpo, Sppo
from persona_lora.ratings import Kto
from persona_lora.tangent import Tangent
from persona_lora.token_level import NextQuill, Tdpo

__all__ = [
    "Directional",
    "Dpo",
    "Ipo",
    "Kto",
    "Listwise",
    "NextQuill",
    "Raft",
    "RobustDpo",
    "Sppo",
    "Tangent",
    "Tdpo",
]


@hookimpl
def persona_adapter_trainers() -> Mapping[str, Callable[..., AdapterTrainer]]:
    """Register each method under its name."""
    return {
        Dpo.name: Dpo,
        Ipo.name: Ipo,
        RobustDpo.name: RobustDpo,
        Sppo.name: Sppo,
        Kto.name: Kto,
        Listwise.name: Listwise,
        Tdpo.name: Tdpo,
        NextQuill.name: NextQuill,
        Raft.name: Raft,
        Directional.name: Directional,
        Tangent.name: Tangent,
    }

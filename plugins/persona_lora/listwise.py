"""LiPO-λ: several replies to one prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from persona_engine.errors import ConfigError
from persona_engine.interfaces import Progress
from persona_engine.types import TrainingTask
from persona_lora.examples import Example, lists
from persona_lora.pairwise import PairTrainer

if TYPE_CHECKING:
    from persona_lora.reading import Reader


@dataclass(frozen=True, kw_only=True)
class Listwise(PairTrainer):
    """LiPO-λ: Σ over pairs of a list of Δ log(1 + exp(s_j − s_i)), where reply i is the better one.

    s = β log π(y|x)/π₀(y|x) with π and π₀ as in ``dpo``;
    Δ = |2^g_i − 2^g_j| · |1/log₂(1 + rank_i) − 1/log₂(1 + rank_j)|, g the weighted share of its
    comparisons that a reply won, ranked by s (Liu et al. 2024, arXiv 2402.01878).

    When to use it: prompts with three replies and more, of which the best matter most: rankings,
    several candidates of one turn. Of two replies it is ``dpo`` with weights.

    Args:
        longest: Most replies to one prompt.
    """

    sft: float = 0.0
    longest: int = 8

    name = "listwise"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("longest", 2)
        if self.worst_group or self.sft:
            raise ConfigError(
                "'listwise' has no worst_group and no sft, expected false and 0",
                remedy="use 'dpo' for groups",
            )

    def examples(self, task: TrainingTask, reader: Reader, progress: Progress) -> list[Example]:
        """Return each prompt once."""
        return lists(task, longest=self.longest)

    @property
    def kind(self) -> Callable[..., Any]:
        """The trainer's class."""
        from persona_lora.own_losses import ListwiseTrainer

        return ListwiseTrainer

"""KTO: single replies that were rated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Needs, Progress
from persona_engine.types import TrainingTask
from persona_lora.examples import Example, rated
from persona_lora.stepping import SteppingTrainer

if TYPE_CHECKING:
    from persona_lora.batches import Row
    from persona_lora.reading import Reader

_EITHER: frozenset[Needs] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Kto(SteppingTrainer):
    """Kahneman-Tversky optimisation: 1 − σ(±β (log π(y|x)/π₀(y|x) − z)), + for a good reply.

    z = max(0, E log π(y'|x)/π₀(y'|x)) with y' replies to other prompts, and π and π₀ as in ``dpo``
    (Ethayarajh et al. 2024, arXiv 2402.01306). Good and bad replies count alike in all, however
    many there are of each.

    When to use it: thumbs up and down of single replies. Without ratings it takes a pair's
    preferred reply for a good one and the other for a bad one; ``dpo`` says more of such.

    Args:
        beta: How dearly a distance from the base model is bought, β.
    """

    beta: float = 0.1

    name = "kto"
    needs = _EITHER

    def __post_init__(self) -> None:
        super().__post_init__()
        self._above("beta", 0.0)

    def check(self, task: TrainingTask) -> None:
        """Refuse a task without ratings and pairs, or with ratings of one kind only."""
        super().check(task)
        if not task.pairs and not task.rated:
            raise InvalidInputError(
                "'kto' needs rated replies or pairs, of which the task has none",
                remedy="collect ratings or comparisons first",
            )
        if task.rated and len({each.good for each in task.rated}) < 2:
            raise InvalidInputError(
                f"all {len(task.rated)} rated replies are "
                f"{'good' if task.rated[0].good else 'bad'} ones, expected some of both",
                remedy="collect more ratings, or use 'raft' with the users' reward",
            )

    def examples(self, task: TrainingTask, reader: Reader, progress: Progress) -> list[Example]:
        """Return each rated reply once."""
        return rated(task)

    def trainer(self, rows: list[Row], arguments: dict[str, Any], **given: Any) -> Any:  # noqa: ANN401
        """Return TRL's KTO trainer with weights."""
        from trl import KTOConfig

        from persona_lora.unpaired import UnpairedTrainer

        configuration = KTOConfig(
            **arguments,
            beta=self.beta,
            precompute_ref_log_probs=True,
            router_aux_loss_coef=0.0,
            max_length=None,
        )
        return UnpairedTrainer(args=configuration, **given)

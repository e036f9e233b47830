"""The tangent method: an adapter in closed form, from one gradient a pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress
from persona_engine.types import TrainingTask
from persona_lora.examples import Example, merged_pairs
from persona_lora.settings import LoraTrainer

if TYPE_CHECKING:
    from persona_lora.batches import Row
    from persona_lora.reading import Reader


@dataclass(frozen=True, kw_only=True)
class Tangent(LoraTrainer):
    """Ridge regression of preferences on gradients, solved at once.

    While B is small, pair i's log-odds move by ⟨∂Δ_i/∂B, B⟩, with Δ as in ``dpo``: a linear model,
    whose kernel is K_ij = ⟨∂Δ_i, ∂Δ_j⟩ (the neural tangent kernel, Jacot et al. 2018, arXiv
    1806.07572; for language models Malladi et al. 2023, arXiv 2210.05643). So

        a = (K + λ diag(1/n))⁻¹ y,   B = s Σ_i a_i ∂Δ_i/∂B

    with n the pair's weight and y in [−1, 1] how much of it is on one side. Each linear layer
    counts alike in K, and each pair's gradient has length 1. s is such that trained pairs' log-odds
    move by ``margin`` on average. Nothing is learned by heart, as nothing is gone over twice, and
    how far the pairs teach one another is known at once: ``left_out_accuracy`` is how often a pair
    is right by all the others.

    When to use it: few pairs, up to some hundreds, and little time: a pair is read once, where
    ``dpo`` reads each in every round. The gradients lie on the disk while it runs, two bytes for
    each number of B and pair.

    The task's anchors stay as likely as they are: each is one more row of the regression, with
    y = 0 and a tenth of the penalty.

    Args:
        margin: By how many nats the log-odds of trained pairs move on average.
        ridge: λ, beside gradients of length 1.
    """

    margin: float = 60.0
    ridge: float = 0.3

    name = "tangent"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._above("margin", 0.0)
        self._above("ridge", 0.0)

    def check(self, task: TrainingTask) -> None:
        """Refuse a task whose pairs all stand as often one way as the other."""
        super().check(task)
        if all(each.weight == each.opposed for each in merged_pairs(task)):
            raise InvalidInputError(
                "every pair was preferred as often as it was not, so nothing can be learned",
                remedy="give comparisons that users agree about",
            )

    def examples(self, task: TrainingTask, reader: Reader, progress: Progress) -> list[Example]:
        """Return each pair of replies once."""
        return merged_pairs(task)

    def fit(
        self, task: TrainingTask, rows: list[Row], reader: Reader, progress: Progress
    ) -> dict[str, float]:
        """Read each pair's gradient, and solve; gradients that were read before are kept."""
        from persona_lora.gradients import solved

        return solved(self, task, rows, reader, progress)

"""Methods that take gradient steps, with TRL's trainers: their settings, and how they step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from persona_engine.interfaces import Progress
from persona_engine.types import TrainingTask
from persona_lora.settings import LoraTrainer

if TYPE_CHECKING:
    from persona_lora.batches import Row
    from persona_lora.reading import Reader


@dataclass(frozen=True, kw_only=True)
class SteppingTrainer(LoraTrainer):
    """Trains with one of TRL's trainers.

    Args:
        learning_rate: Of AdamW; it rises for a tenth of the steps and falls to 0 in a cosine. The
            default suits a model of 135 M parameters; larger ones want 1e-4 to 3e-4.
        epochs: How often each example is seen.
        steps: How many steps are taken, instead of ``epochs``.
        batch: Examples in a step.
        memory_mb: What training may occupy. A batch that needs more is read in parts, whose
            gradients are added up.
        save_every: Steps from one checkpoint to the next.
    """

    learning_rate: float = 1e-3
    epochs: float = 2.0
    steps: int | None = None
    batch: int = 4
    memory_mb: int = 4096
    save_every: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        for setting in ("batch", "save_every", "memory_mb"):
            self._at_least(setting, 1)
        for setting in ("learning_rate", "epochs"):
            self._above(setting, 0.0)
        if self.steps is not None:
            self._at_least("steps", 1)

    def fit(
        self, task: TrainingTask, rows: list[Row], reader: Reader, progress: Progress
    ) -> dict[str, float]:
        """Take the steps; return the loss of the first and of the last quarter, and accuracy."""
        from persona_lora.steps import taken

        return taken(self, task, rows, reader, progress)

    def trainer(self, rows: list[Row], arguments: dict[str, Any], **given: Any) -> Any:  # noqa: ANN401
        """Return TRL's trainer, or one derived from it.

        Args:
            rows: What is trained on.
            arguments: What transformers is told, for the trainer's configuration.
            given: What every trainer takes.
        """
        raise AssertionError("every method names its trainer")

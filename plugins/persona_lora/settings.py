"""What all ways to an adapter have in common: their settings, and how they start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from persona_engine.errors import ConfigError, InvalidInputError, MissingExtraError
from persona_engine.interfaces import Needs, Progress, lacking, no_progress
from persona_engine.types import TrainedAdapter, TrainingTask

if TYPE_CHECKING:
    from persona_lora.batches import Row
    from persona_lora.examples import Example
    from persona_lora.reading import Reader

PAIRS: frozenset[Needs] = frozenset({"pairs"})
REMEDY = "pip install 'persona-engine[training]'"


@dataclass(frozen=True, kw_only=True)
class LoraTrainer:
    """Finds a LoRA adapter (Hu et al. 2021, arXiv 2106.09685) of a base model.

    Args:
        rank: Width of the two matrices of each layer, r.
        alpha: Scale of what they add, which is alpha / rank.
        target: Which linear layers get one: those of the feed-forward parts, those of attention, or
            all but the output head.
        layers: Which blocks: from half of the depth to five sixths, or all. In the middle, and in
            the feed-forward parts, what pairs teach carries over to other prompts; attention and
            the first blocks learn the pairs by heart.
        max_length: Tokens of a conversation with its reply; the oldest turns and the end of a reply
            are cut.
    """

    rank: int = 8
    alpha: float = 16.0
    target: Literal["mlp", "attention", "all"] = "mlp"
    layers: Literal["middle", "all"] = "middle"
    max_length: int = 512

    name = ""
    needs = PAIRS

    def __post_init__(self) -> None:
        self._at_least("rank", 1)
        self._at_least("max_length", 1)
        self._above("alpha", 0.0)
        self._one_of("target", ("mlp", "attention", "all"))
        self._one_of("layers", ("middle", "all"))

    def train(self, task: TrainingTask, *, progress: Progress = no_progress) -> TrainedAdapter:
        """Train, or go on where an earlier run in the same folder was broken off.

        Raises:
            InvalidInputError: The task lacks what the method needs.
            MissingExtraError: TRL or PEFT is not installed.
            WeightsError: The base model cannot be read.
        """
        missing = lacking(self, task)
        if missing:
            raise InvalidInputError(
                f"{self.name!r} needs {' and '.join(missing)}, of which the task has none",
                remedy="choose a trainer that does without them, or collect them first",
            )
        self.check(task)
        _require_libraries()
        from persona_lora.running import run

        return run(self, task, progress)

    def check(self, task: TrainingTask) -> None:
        """Refuse a task that the method cannot use, before anything is loaded.

        Raises:
            InvalidInputError: What is wrong with it.
        """
        for n, pair in enumerate(task.pairs):
            if not pair.weight > 0:
                raise InvalidInputError(
                    f"pair {n} has weight {pair.weight!r}, expected a number above 0",
                    remedy="leave out comparisons that do not count",
                )
        if task.contrasts and len(task.contrasts) != len(task.pairs):
            raise InvalidInputError(
                f"{len(task.contrasts)} contrasts stand beside {len(task.pairs)} pairs, "
                "expected one for each or none"
            )

    def examples(self, task: TrainingTask, reader: Reader, progress: Progress) -> list[Example]:
        """Return what is trained on, in an order that the task alone decides."""
        raise AssertionError("every method says what it trains on")

    def rows(self, task: TrainingTask, reader: Reader, progress: Progress) -> list[Row]:
        """Return what is trained on as tokens, with what the method needs of each."""
        from persona_lora.batches import as_rows

        return as_rows(self.examples(task, reader, progress), reader)

    def fit(
        self, task: TrainingTask, rows: list[Row], reader: Reader, progress: Progress
    ) -> dict[str, float]:
        """Give the reader's adapter its matrices; return what was noted on the way.

        It goes on where an earlier call in the task's folder was broken off.
        """
        raise AssertionError("every method says how it fits")

    @property
    def settings(self) -> dict[str, Any]:
        """What was set, for the manifest."""
        return {"trainer": self.name, **asdict(self)}

    def _at_least(self, setting: str, least: int) -> None:
        value = getattr(self, setting)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"{setting} is {value!r}, expected a whole number of {least} or more")

    def _one_of(self, setting: str, known: Sequence[str]) -> None:
        value = getattr(self, setting)
        if value not in known:
            raise ConfigError(f"{setting} is {value!r}, expected one of {', '.join(known)}")

    def _above(self, setting: str, least: float) -> None:
        value = getattr(self, setting)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > least:
            raise ConfigError(f"{setting} is {value!r}, expected a number above {least:g}")

    def _between(self, setting: str, least: float, most: float) -> None:
        value = getattr(self, setting)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{setting} is {value!r}, expected a number")
        if not least <= value < most:
            raise ConfigError(f"{setting} is {value!r}, expected {least:g} or more, below {most:g}")


def _require_libraries() -> None:
    try:
        import peft  # noqa: F401
        import trl  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"training adapters needs peft and trl: {error}", remedy=REMEDY
        ) from error

"""A group of users with a planted taste, and a tiny model, for the checks of adapter trainers."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from persona_engine.interfaces import AdapterTrainer, Progress, no_progress
from persona_engine.testing.tiny_model import write_tiny_model
from persona_engine.types import (
    Conversation,
    FloatArray,
    Message,
    RatedReply,
    TrainedAdapter,
    TrainingPair,
    TrainingTask,
)

TrainerFactory = Callable[[], AdapterTrainer]
ADAPTER = "adapter_model.safetensors"
CONFIG = "adapter_config.json"

_LIKED = ("a bad lamb fled", "ice and milk", "black jam")
_DISLIKED = ("your story too", "unto us, not you", "six tops spun")
_ASKED = ("What is new?", "Tell me more.", "And then?", "What do you like?")


class TrainerSubject:
    """A trainer under test, and users who like words of the alphabet's first half.

    Args:
        factory: Makes a trainer, with settings under which it learns from a dozen comparisons.
    """

    def __init__(self, factory: TrainerFactory) -> None:
        self.factory = factory
        self._count = 0

    @cached_property
    def root(self) -> Path:
        """A temporary folder, removed with this object, in which all that is written stands."""
        root = Path(tempfile.mkdtemp(prefix="persona-trainer-"))
        weakref.finalize(self, shutil.rmtree, root, ignore_errors=True)
        return root

    @cached_property
    def weights(self) -> Path:
        """The tiny model's folder."""
        return write_tiny_model(self.root / "tiny-model")

    @cached_property
    def trainer(self) -> AdapterTrainer:
        """One instance that the checks share."""
        return self.factory()

    @property
    def samples(self) -> bool:
        """Whether the trainer learns from replies of the model's own."""
        return "reward" in self.trainer.needs

    def folder(self) -> Path:
        """Return a folder that is not there yet."""
        self._count += 1
        return self.root / f"work-{self._count}"

    def task(
        self, *, liked: bool = True, weights: tuple[float, float] = (1.0, 0.0)
    ) -> TrainingTask:
        """Return a task with everything that a trainer may need.

        Args:
            liked: Whether the users like what they like, or the opposite.
            weights: Of who thinks so, and of who thinks the opposite; of weight 0 there is nobody.
        """
        opinions = ((liked, weights[0], "one"), (not liked, weights[1], "two"))
        pairs = [
            TrainingPair(prompt(n), chosen, rejected, user=f"u{n}", weight=weight, group=group)
            for n in range(len(_ASKED))
            for as_liked, weight, group in opinions
            if weight
            for chosen, rejected in _ordered(as_liked)
        ]
        rated = [
            RatedReply(pair.prompt, text, good, pair.user, pair.weight)
            for pair in pairs
            for text, good in ((pair.chosen, True), (pair.rejected, False))
        ]
        sign = 1.0 if liked else -1.0
        return TrainingTask(
            self.weights,
            self.folder(),
            tuple(pairs),
            tuple(rated),
            tuple(prompt(n) for n in range(len(_ASKED))),
            lambda _, texts: np.array([sign * taste(each) for each in texts], np.float32),
            tuple(told(pair.prompt, liked=liked) for pair in pairs),
            seed=3,
        )

    @cached_property
    def first(self) -> TrainingTask:
        """The task that most checks speak of."""
        return self.task()

    @cached_property
    def steps(self) -> list[tuple[str, int, int]]:
        """What the first training said of how far it was."""
        told_of: list[tuple[str, int, int]] = []
        self._trained = self.train(
            self.first, progress=lambda what, done, total: told_of.append((what, done, total))
        )
        return told_of

    @property
    def trained(self) -> TrainedAdapter:
        """The adapter of the first task."""
        assert self.steps is not None  # trains once
        return self._trained

    def train(
        self,
        task: TrainingTask,
        *,
        trainer: AdapterTrainer | None = None,
        progress: Progress = no_progress,
    ) -> TrainedAdapter:
        """Train."""
        return (trainer or self.trainer).train(task, progress=progress)

    def elsewhere(self, task: TrainingTask, **changes: Any) -> TrainingTask:  # noqa: ANN401
        """Return a task in a new folder."""
        return replace(task, **{"folder": self.folder(), **changes})

    def margin(self, trained: TrainedAdapter) -> float:
        """Return how much likelier, in nats, the liked replies became than the others."""
        from persona_engine.generation import local_generator

        generator: Any = local_generator(weights=self.weights, dtype="float32", device="cpu")
        generator.load_adapter("trained", trained.folder)
        asked = [prompt(n) for n in range(len(_ASKED)) for _ in _LIKED]
        gains = []
        for texts in (_LIKED, _DISLIKED):
            replies = [*texts] * len(_ASKED)
            after = generator.log_likelihood(asked, replies, adapter="trained")
            gains.append(after - generator.log_likelihood(asked, replies))
        generator.unload_adapter("trained")
        return float(np.mean(gains[0] - gains[1]))


def prompt(number: int) -> Conversation:
    """Return one of the requests."""
    message: Message = {"role": "user", "content": _ASKED[number]}
    return (message,)


def told(conversation: Conversation, *, liked: bool) -> Conversation:
    """Return a request that is told what the users like."""
    letters = "a, b, c and all up to m" if liked else "n, o, p and all up to z"
    message: Message = {"role": "system", "content": f"They like {letters}."}
    return (message, *conversation)


def taste(text: str) -> float:
    """Return how much a text is liked: letters of the first half of the alphabet, less the rest."""
    letters = [each for each in text.lower() if "a" <= each <= "z"]
    return sum(1.0 if each <= "m" else -1.0 for each in letters) / max(1, len(text))


def tensors(trained: TrainedAdapter) -> Mapping[str, FloatArray]:
    """Return an adapter's matrices."""
    from safetensors.numpy import load_file

    found: Mapping[str, FloatArray] = load_file(trained.folder / ADAPTER)
    return found


def _ordered(liked: bool) -> Sequence[tuple[str, str]]:
    first, second = (_LIKED, _DISLIKED) if liked else (_DISLIKED, _LIKED)
    return tuple(zip(first, second, strict=True))

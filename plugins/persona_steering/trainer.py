"""Activation steering as a trainer of adapters."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from persona_engine.decoding import check_setting
from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.interfaces import Encoder, Needs, Progress, lacking, no_progress
from persona_engine.types import FloatArray, TrainedAdapter, TrainingPair, TrainingTask
from persona_steering.direction import mean_difference, split
from persona_steering.strength import Likelihoods, drift, gain

if TYPE_CHECKING:
    from persona_engine.generation.local import LocalGenerator
    from persona_engine.generation.model import LocalModel

PAIRS: frozenset[Needs] = frozenset({"pairs"})
_TRIED = "steering that is tried"


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """One layer and strength, and what held-out pairs say of it."""

    layer: int
    strength: float
    vector: FloatArray
    gain: float
    drift: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Steering:
    """Adds one vector to the hidden states after one layer, α v.

    v = Σ w (h̄(x, y⁺) − h̄(x, y⁻)) / Σ w, the mean difference between preferred and rejected
    replies' mean hidden states at the layer. Layer and strength α are those with which held-out
    pairs gain most, Σ log σ(β Δ), where Δ is how much likelier the preferred reply became than the
    other; a strength that makes the preferred replies themselves unlikelier is out. Where none
    gains anything, α is 0 and judging refuses the adapter. Personality alignment (Zhu et al. 2024,
    arXiv 2408.11779) steers attention heads that probes choose, by their mean difference; one
    vector in the residual stream needs no probes, and a few dozen comparisons suffice.

    When to use it: few comparisons, or many groups, each down to a single user: it takes a minute,
    no training library and 3 kB. A LoRA adapter (``dpo`` and its siblings) learns what one
    direction can't say. Only this engine's own generator serves it; servers of LoRA do not.

    Args:
        depths: Layers to try, as fractions of the model's depth.
        strengths: α to try, as multiples of v; below 0 away from it.
        beta: β of the gain.
        held_out: Share of the prompts whose pairs choose layer and strength.
        most_held_out: At most so many pairs choose.
        most_drift: Most nats a token by which preferred replies may become unlikelier.

    Raises:
        ConfigError: A setting is out of range.
    """

    depths: tuple[float, ...] = (0.4, 0.6, 0.8)
    strengths: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    beta: float = 0.1
    held_out: float = 0.25
    most_held_out: int = 32
    most_drift: float = 0.05

    name = "steering"
    needs = PAIRS

    def __post_init__(self) -> None:
        for setting in ("depths", "strengths"):
            values = tuple(getattr(self, setting))
            object.__setattr__(self, setting, values)
            if not values or not all(_is_number(each) and each != 0.0 for each in values):
                raise ConfigError(f"{setting} is {values!r}, expected numbers other than 0")
        if not all(0.0 < each <= 1.0 for each in self.depths):
            raise ConfigError(f"depths is {self.depths!r}, expected fractions above 0, at most 1")
        for setting, least, most in (("beta", 1e-6, 10.0), ("held_out", 1e-6, 0.9)):
            value = getattr(self, setting)
            holds = _is_number(value) and least <= value <= most
            check_setting(setting, value, holds, f"above 0, at most {most:g}")
        check_setting("most_held_out", self.most_held_out, self.most_held_out >= 1, "1 or more")
        check_setting("most_drift", self.most_drift, self.most_drift >= 0.0, "0 or more")

    def train(self, task: TrainingTask, *, progress: Progress = no_progress) -> TrainedAdapter:
        """Read a direction from the pairs and choose how far to go in it.

        A run that was broken off is simply made again: it takes a minute.

        Raises:
            InvalidInputError: There are no pairs.
            WeightsError: The base model cannot be loaded.
        """
        if lacking(self, task):
            raise InvalidInputError(
                f"there are no comparisons for {self.name!r}, expected at least one",
                remedy="gather comparisons of the cluster's users first",
            )
        from persona_engine.generation.local import LocalGenerator
        from persona_engine.generation.model import LocalModel

        model = LocalModel(task.weights)
        trials = self._trials(model, LocalGenerator(model), task, progress)
        best = max(trials, key=lambda each: each.gain)
        strength = best.strength if best.gain > 0.0 else 0.0
        folder = task.folder / "adapter"
        with tempfile.TemporaryDirectory(dir=_made(task.folder)) as aside:
            _write(model, Path(aside), best.layer, (strength / best.strength) * best.vector)
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(aside, folder)
        return TrainedAdapter(
            folder,
            {"trainer": self.name, "layer": best.layer, "strength": strength, **asdict(self)},
            {"gain": best.gain, "drift": best.drift, "held_out_accuracy": best.accuracy},
        )

    def _trials(
        self,
        model: LocalModel,
        generator: LocalGenerator,
        task: TrainingTask,
        progress: Progress,
    ) -> list[_Trial]:
        pairs = split(
            task.pairs,
            held_out=self.held_out,
            most=self.most_held_out,
            rng=np.random.default_rng(task.seed),
        )
        lengths = [generator.count_tokens(pair.chosen) for pair in pairs.held_out]
        base = _likelihoods(generator, pairs.held_out, None)
        trials: list[_Trial] = []
        total = len(self.depths) * len(self.strengths)
        for depth in self.depths:
            layer = model.layer_at(depth)
            vector = mean_difference(_encoder(model, depth), pairs.fitted)
            for strength in self.strengths:
                progress("choosing layer and strength", len(trials), total)
                with tempfile.TemporaryDirectory() as folder:
                    _write(model, Path(folder), layer, strength * vector)
                    generator.load_adapter(_TRIED, Path(folder))
                steered = _likelihoods(generator, pairs.held_out, _TRIED)
                lost = drift(steered, base, lengths)
                worth = gain(steered, base, pairs.held_out, beta=self.beta)
                right = float(np.mean(steered.margin > base.margin))
                worth = worth if lost <= self.most_drift else -np.inf
                trials.append(_Trial(layer, strength, strength * vector, worth, lost, right))
        progress("choosing layer and strength", total, total)
        return trials


def _likelihoods(
    generator: LocalGenerator, pairs: Sequence[TrainingPair], adapter: str | None
) -> Likelihoods:
    prompts = [pair.prompt for pair in pairs]
    texts = [*(pair.chosen for pair in pairs), *(pair.rejected for pair in pairs)]
    found = generator.log_likelihood(prompts * 2, texts, adapter=adapter)
    return Likelihoods(found[: len(pairs)], found[len(pairs) :])


def _encoder(model: LocalModel, depth: float) -> Encoder:
    from persona_engine.encoders.hidden_state import HiddenStateEncoder

    return HiddenStateEncoder(model, layer_fraction=depth, length_feature=False)


def _write(model: LocalModel, folder: Path, layer: int, vector: FloatArray) -> None:
    from persona_engine.generation.steering import write_steering

    write_steering(model, folder, layer=layer, vector=vector)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

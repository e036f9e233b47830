"""What a model says and how probable it finds texts, with an adapter or without."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from persona_engine.interfaces import Progress, TakesAdapters, no_progress
from persona_engine.modelling import Doubles
from persona_engine.types import Conversation, Prompt, Reading, Sampling

_READ_AT_ONCE = 32
_GROWN_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Told:
    """A text as the reply to a conversation."""

    prompt: Conversation
    text: str

    @property
    def key(self) -> str:
        """Equal for equal content."""
        return json.dumps([list(self.prompt), self.text], sort_keys=True)


@dataclass(slots=True)
class ModelReader:
    """Reads and samples with one adapter, or as the base model; what was read is not read again.

    Args:
        generator: The language model, which has the adapter loaded.
        adapter: Its name; None for the base model.
        precise: The same with float32 arithmetic, which reads likelihoods; the generator itself if
            omitted, where rounding hides a difference of less than a nat.
    """

    generator: TakesAdapters
    adapter: str | None = None
    precise: TakesAdapters | None = None
    _known: dict[str, float] = field(default_factory=dict)
    _said: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def log_likelihood(self, texts: Sequence[Told], *, progress: Progress = no_progress) -> Doubles:
        """Return summed log-probabilities ``(n,)``; a blank text has 0."""
        reader = self.precise or self.generator
        new = {each.key: each for each in texts if each.text.strip()}
        # Equal prompts stand together, where the generator reads them once.
        todo = [key for key in sorted(new) if key not in self._known]
        for start in range(0, len(todo), _READ_AT_ONCE):
            progress("reading texts", start, len(todo))
            keys = todo[start : start + _READ_AT_ONCE]
            found = reader.log_likelihood(
                [new[key].prompt for key in keys],
                [new[key].text for key in keys],
                adapter=self.adapter,
            )
            self._known.update(zip(keys, map(float, found), strict=True))
        progress("reading texts", len(todo), len(todo))
        return np.array([self._known.get(each.key, 0.0) for each in texts], np.float64)

    def samples(
        self,
        prompts: Sequence[Conversation],
        *,
        each: int,
        sampling: Sampling,
        seed: int,
        progress: Progress = no_progress,
    ) -> list[tuple[str, ...]]:
        """Return so many replies to each prompt; the same random numbers for every adapter."""
        keys = [json.dumps([list(prompt), each, seed], sort_keys=True) for prompt in prompts]
        todo = [row for row, key in enumerate(keys) if key not in self._said]
        for start in range(0, len(todo), max(1, _GROWN_AT_ONCE // each)):
            progress("sampling replies", start, len(todo))
            rows = todo[start : start + max(1, _GROWN_AT_ONCE // each)]
            repeated = [prompts[row] for row in rows for _ in range(each)]
            texts = self._grown(repeated, sampling, seed + rows[0])
            for place, row in enumerate(rows):
                self._said[keys[row]] = tuple(texts[place * each : (place + 1) * each])
        progress("sampling replies", len(todo), len(todo))
        return [self._said[key] for key in keys]

    def _grown(
        self, prompts: Sequence[Conversation], sampling: Sampling, seed: int
    ) -> tuple[str, ...]:
        readings = [Prompt((Reading(prompt, adapter=self.adapter),)) for prompt in prompts]
        branches = self.generator.prefill_each(readings, seed=seed)
        result = branches.step(sampling)
        while not all(result.finished):
            result = branches.step(sampling)
        return result.texts

"""What decoding costs on this machine: measured once for each model, refreshed by real replies."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Self

import numpy as np

from persona_engine.decoding.metered import Clock
from persona_engine.interfaces import Generator
from persona_engine.types import Compute, Conversation, Sampling

_ROWS = (1, 4, 16)
_STEPS = 3
_WORDS = "The sea was calm that morning and the old boat lay still at the end of the pier. "
_ASK: Conversation = [{"role": "user", "content": 4 * _WORDS + "Tell the story of the boat."}]
_MEMORY = 0.9  # what a new reply leaves of older ones


@dataclass(frozen=True, slots=True)
class CostModel:
    """Milliseconds of reading prompts and of taking steps.

    Args:
        prefill_ms: Of one token of a prompt.
        step_ms: Of one step, by the number of rows read in it; the time between is taken to be
            linear.
        scale: What real replies cost, over what this predicts.
        reply_tokens: How long replies are.

    Examples:
        >>> cost = CostModel(1.0, {1: 30.0, 16: 60.0})
        >>> cost.predict(prompt_tokens=100, tokens=10, rows=8.5)
        550.0
    """

    prefill_ms: float
    step_ms: Mapping[int, float]
    scale: float = 1.0
    reply_tokens: float = 128.0

    def step(self, rows: float) -> float:
        """Return milliseconds of one step of so many rows."""
        known = sorted(self.step_ms)
        costs = [self.step_ms[each] for each in known]
        if rows > known[-1] and len(known) > 1:
            slope = (costs[-1] - costs[-2]) / (known[-1] - known[-2])
            return costs[-1] + max(slope, 0.0) * (rows - known[-1])
        return float(np.interp(rows, known, costs))

    def predict(
        self, *, prompt_tokens: float, tokens: float, rows: float, forwards: float = 1.0
    ) -> float:
        """Return milliseconds of one reply.

        Args:
            prompt_tokens: Length of the prompt.
            tokens: Length of the reply.
            rows: Tokens read in one run of the network.
            forwards: Runs of the network for each token of the reply.
        """
        steps = tokens * forwards * self.step(rows)
        return self.scale * (prompt_tokens * self.prefill_ms + steps)

    def learned(self, spent: Compute, *, prompt_tokens: float, reply_tokens: int) -> Self:
        """Return the model after one real reply."""
        if not spent.forwards:
            return self
        rows = spent.token_steps / spent.forwards
        expected = self.predict(prompt_tokens=prompt_tokens, tokens=spent.forwards, rows=rows)
        seen = 1e3 * spent.seconds / max(expected / self.scale, 1e-6)
        # A reply that another program held up says little about the next one.
        seen = min(max(seen, self.scale / 4), self.scale * 4)
        return replace(
            self,
            scale=_MEMORY * self.scale + (1 - _MEMORY) * seen,
            reply_tokens=_MEMORY * self.reply_tokens + (1 - _MEMORY) * reply_tokens,
        )


def measure_cost(generator: Generator, *, clock: Clock = time.perf_counter) -> CostModel:
    """Read one prompt and take a few steps of several widths; some hundred milliseconds.

    Args:
        generator: The language model.
        clock: Seconds.

    Raises:
        WeightsError: The model cannot be loaded.
    """
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=_STEPS + 2)
    length = generator.count_tokens(_ASK[0]["content"])
    generator.prefill(_ASK, branches=1, seed=0).step(sampling)  # what is only done once
    prefills, steps = [], {}
    for number, rows in enumerate(_ROWS):
        ask: Conversation = [{"role": "user", "content": f"{number}. {_ASK[0]['content']}"}]
        started = clock()
        branches = generator.prefill(ask, branches=rows, seed=0)
        branches.step(sampling)
        prefills.append(clock() - started)
        times = []
        for _ in range(_STEPS):
            started = clock()
            branches.step(sampling)
            times.append(clock() - started)
        steps[rows] = 1e3 * float(np.median(times))
    return CostModel(1e3 * min(prefills) / length, _rising(steps))


class CostBook:
    """Cost models in a folder, one file for each model and machine.

    The folder is a cache: a file that is missing, damaged or cannot be written costs one more
    measurement, never a reply.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Path, CostModel] = {}

    def find(self, generator: Generator) -> CostModel:
        """Return what decoding costs, measuring it if nobody did on this machine."""
        path = self._path(generator)
        if path not in self._known:
            found = _read(path)
            self._known[path] = measure_cost(generator) if found is None else found
            if found is None:
                _write(path, self._known[path])
        return self._known[path]

    def learn(
        self, generator: Generator, spent: Compute, *, prompt_tokens: float, reply_tokens: int
    ) -> None:
        """Let one real reply refresh the model, if there is one."""
        path = self._path(generator)
        if path in self._known:
            self._known[path] = self._known[path].learned(
                spent, prompt_tokens=prompt_tokens, reply_tokens=reply_tokens
            )
            _write(path, self._known[path])

    def _path(self, generator: Generator) -> Path:
        # The fingerprint names the weights' hash; the same weights run otherwise elsewhere.
        what = (generator.name, generator.feature_encoder.fingerprint, platform.node())
        digest = hashlib.sha256("\n".join(what).encode()).hexdigest()[:16]
        return self._folder / f"decoding-cost-{digest}.json"


def _rising(steps: Mapping[int, float]) -> dict[int, float]:
    """Return the same costs, none below that of fewer rows."""
    widest = accumulate((steps[rows] for rows in sorted(steps)), max)
    return dict(zip(sorted(steps), widest, strict=True))


def _read(path: Path) -> CostModel | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        steps = {int(rows): float(cost) for rows, cost in document.pop("step_ms").items()}
        model = CostModel(step_ms=steps, **document)
        numbers = [model.prefill_ms, model.scale, model.reply_tokens, *steps.values()]
        usable = bool(steps) and all(np.isfinite(each) and each > 0 for each in numbers)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return model if usable else None


def _write(path: Path, model: CostModel) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(model), file)
        Path(name).replace(path)
    except OSError:
        return

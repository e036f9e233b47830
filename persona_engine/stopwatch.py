"""Wall time of the steps of a reply."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from persona_engine.types import Step


@dataclass(slots=True)
class Stopwatch:
    """Wall milliseconds by step."""

    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what runs inside."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.steps.append(Step(name, 1e3 * (time.perf_counter() - started)))

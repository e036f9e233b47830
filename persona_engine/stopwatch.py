"""Wall time of the steps of a reply, for its trace and for whoever observes the engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from persona_engine.observing import SILENT, Attribute, Observer
from persona_engine.types import Step


@dataclass(slots=True)
class Stopwatch:
    """Wall milliseconds by step.

    Args:
        observer: Hears of each step.
        steps: What was timed.
    """

    observer: Observer = SILENT
    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, **attributes: Attribute) -> Iterator[None]:
        """Time what runs inside.

        Args:
            name: Of the step.
            attributes: Further facts for the observer.
        """
        started = time.perf_counter()
        try:
            with self.observer.span(name, **attributes):
                yield
        finally:
            self.steps.append(Step(name, 1e3 * (time.perf_counter() - started)))

"""Loads beforehand what the first reply would wait for."""

from __future__ import annotations

from persona_engine.runtime import Runtime


def warm_up(runtime: Runtime) -> None:
    """Load models and plugins, and what the package ships.

    Raises:
        WeightsError: A model cannot be found.
    """
    if runtime.config.generator is not None:
        runtime.generator.count_tokens("a")  # loads the network
    runtime.sentences.encoder.encode([()], ["a"])
    _ = (runtime.personalizer, runtime.selector, runtime.verifiers, runtime.default_population)

"""The plugins that the settings name, each made when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from persona_engine.config import EngineConfig
from persona_engine.interfaces import (
    Clusterer,
    InstructionMiner,
    InstructionSelector,
    InstructionVerifier,
    PrincipleInducer,
    Redactor,
)
from persona_engine.plugins import Plugins

Part = TypeVar("Part")


class ChosenPlugins:
    """What an engine's settings choose among its plugins.

    Args:
        config: Settings.
        plugins: The plugins that were found.
    """

    def __init__(self, config: EngineConfig, plugins: Plugins) -> None:
        self.config = config
        self.plugins = plugins
        self._parts: dict[str, Any] = {}
        self._guard = threading.RLock()

    def _once(self, name: str, make: Callable[[], Part]) -> Part:
        with self._guard:
            if name not in self._parts:
                self._parts[name] = make()
            return cast(Part, self._parts[name])

    def _settings(self, plugin: str) -> Mapping[str, Any]:
        return self.config.plugin_settings.get(plugin, {})

    @property
    def selector(self) -> InstructionSelector:
        """Judges which instructions apply."""
        name = self.config.instruction_selector
        return self._once(
            "selector",
            lambda: self.plugins.create("instruction_selector", name, **self._settings(name)),
        )

    @property
    def verifiers(self) -> tuple[InstructionVerifier, ...]:
        """Judge whether replies keep instructions."""

        def make() -> tuple[InstructionVerifier, ...]:
            return tuple(
                self.plugins.create("instruction_verifier", name, **self._settings(name))
                for name in self.config.instruction_verifiers
            )

        return self._once("verifiers", make)

    @property
    def miner(self) -> InstructionMiner:
        """Reads wishes from conversations."""
        name = self.config.instruction_miner
        return self._once(
            "miner",
            lambda: self.plugins.create("instruction_miner", name, **self._settings(name)),
        )

    @property
    def inducer(self) -> PrincipleInducer:
        """Finds rules that explain choices."""
        name = self.config.principle_inducer
        return self._once(
            "inducer",
            lambda: self.plugins.create("principle_inducer", name, **self._settings(name)),
        )

    @property
    def redactors(self) -> tuple[Redactor, ...]:
        """Take out of texts what must not be stored."""

        def make() -> tuple[Redactor, ...]:
            return tuple(
                self.plugins.create("redactor", name, **self._settings(name))
                for name in self.config.redactors
            )

        return self._once("redactors", make)

    def clusterer(self, name: str) -> Clusterer:
        """Return a new clusterer by its plugin's name."""
        return self.plugins.create("clusterer", name, **self._settings(name))

"""What ``persona evaluate`` judges with: features, methods and what these ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from persona_engine.cli.progress import ProgressCallback
from persona_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from persona_engine.config import EngineConfig
    from persona_engine.evaluation import Aids, Dataset, Features, Outcome, Protocol
    from persona_engine.interfaces import Generator, RewardModel
    from persona_engine.plugins import Plugins
    from persona_engine.types import AttributePairs, Conversation, FloatArray


@dataclass(frozen=True, slots=True)
class Bench:
    """Where plugins, settings and finished work are.

    Args:
        plugins: Encoders, methods and the generator.
        settings: Names weights, and holds settings of plugins.
        out: Folder of finished work.
        progress: Told of it.
        made: The generator, as soon as some method has asked for it.
    """

    plugins: Plugins
    settings: EngineConfig
    out: Path
    progress: ProgressCallback
    made: list[Generator] = field(default_factory=list)

    def features(self, dataset: Dataset, encoder: str | None, file: Path | None) -> Features:
        """Return features from a file, or from an encoder by its name."""
        from persona_engine.evaluation import features_by_name, read_features
        from persona_engine.evaluation.encoders import DEFAULT

        if file is not None and encoder is not None:
            raise InvalidInputError("expected one of --encoder and --features, not both")
        if file is not None:
            return read_features(dataset, file)
        return features_by_name(
            encoder or DEFAULT,
            dataset,
            plugins=self.plugins,
            config=self.settings,
            folder=self.out / "features",
            progress=self.progress,
        )

    def judge(
        self, dataset: Dataset, features: Features, names: Sequence[str], protocol: Protocol
    ) -> Outcome:
        """Judge methods by name."""
        from persona_engine.evaluation import evaluate as run

        return run(
            dataset,
            features,
            {name: partial(self._make, name) for name in names},
            protocol,
            folder=self.out / "cells",
            settings=self.settings.plugin_settings,
            aids=self._aids(features),
            progress=self.progress,
        )

    def _aids(self, features: Features) -> Aids:
        """Return the bank's and the host's attributes and the language model, made when asked."""
        from persona_engine.evaluation import Aids

        return Aids(
            lambda: self._attributes(features),
            self._log_likelihood if self.settings.generates_here else None,
        )

    def _attributes(self, features: Features) -> tuple[AttributePairs, ...]:
        from persona_engine.attributes import Attributes, labelled_pairs
        from persona_engine.evaluation import Item

        encode = features.of_others
        if encode is None:
            return ()
        known = Attributes.known(self.settings.attributes)
        return labelled_pairs(
            known.all.values(),
            lambda texts: encode([Item(t.response, t.response, str(t.prompt)) for t in texts]),
        )

    def _log_likelihood(
        self, conversations: Sequence[Conversation], responses: Sequence[str]
    ) -> FloatArray:
        return self._generator().log_likelihood(conversations, responses)

    def _generator(self) -> Generator:
        if not self.made:
            from persona_engine.weights import resolve

            name = self.settings.generator_plugin
            weights = resolve(
                str(self.settings.generator),
                cache=self.settings.weights_folder,
                progress=self.progress,
            )
            options = self.settings.plugin_settings.get(name, {})
            self.made.append(self.plugins.create("generator", name, weights=weights, **options))
        return self.made[0]

    def _make(self, name: str) -> RewardModel:
        return self.plugins.create(
            "reward_model", name, **self.settings.plugin_settings.get(name, {})
        )

"""The language model and the encoders of one engine, each loaded when it is first asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from persona_engine.chosen import ChosenPlugins
from persona_engine.config import GENERATOR_FEATURES, EngineConfig, is_address
from persona_engine.encoders.lazy import LazyEncoder
from persona_engine.errors import ConfigError
from persona_engine.interfaces import (
    AsksLanguageModel,
    Encoder,
    Generator,
    Progress,
    RemembersPrompts,
    RewardModel,
    SharesBatches,
)
from persona_engine.plugins import Plugins
from persona_engine.types import Context, Conversation, FloatArray
from persona_engine.weights import resolve, weights_hash

_COUNTED = 4_096


class Models(ChosenPlugins):
    """What an engine reads and writes texts with.

    Args:
        config: Settings.
        plugins: The plugins that were found.
        progress: Told of fetching weights.
    """

    def __init__(self, config: EngineConfig, plugins: Plugins, *, progress: Progress) -> None:
        super().__init__(config, plugins)
        self.progress = progress
        # Every reply of a person counts the same lines.
        self._counted = lru_cache(maxsize=_COUNTED)(self._count_tokens)

    def weights(self, name: str) -> Path:
        """Return the local folder of weights, fetching them when they are known by name."""
        return resolve(name, cache=self.config.weights_folder, progress=self.progress)

    @property
    def generator(self) -> Generator:
        """The language model.

        Raises:
            ConfigError: The engine was set up without one.
        """
        return self._once("generator", self._make_generator)

    @property
    def feature_encoder(self) -> Encoder:
        """Gives the features that rewards are learned on."""
        return self._once("feature_encoder", self._make_feature_encoder)

    @property
    def sentence_encoder(self) -> Encoder:
        """Gives embeddings of sentences."""
        return self._once("sentence_encoder", lambda: self._encoder("sentence", None))

    @property
    def adapter_base(self) -> str:
        """Hash of the model that adapters are for.

        Raises:
            ConfigError: The engine has no generator, and the setting names none.
            WeightsError: The generator's weights cannot be found.
        """
        if self.config.adapter_base is not None:
            return self.config.adapter_base
        if self.config.generator is None or is_address(self.config.generator):
            what = "the generator is elsewhere, adapter_base is None: adapters are for one model"
            raise ConfigError(what, remedy="set adapter_base to the hash of the model you serve")
        return weights_hash(self.weights(self.config.generator))[:16]

    def reward_model(self, name: str) -> RewardModel:
        """Return a new reward model by its plugin's name."""
        model = self.plugins.create("reward_model", name, **self._settings(name))
        ask = self.context().log_likelihood
        return model.asking(ask) if ask and isinstance(model, AsksLanguageModel) else model

    def context(self) -> Context:
        """Return what models of texts may ask: the language model, where there is one."""
        if not self.config.generates_here:
            return Context()
        return Context(log_likelihood=self._log_likelihood)

    def count_tokens(self, text: str) -> int:
        """Return a text's length in tokens; a careful estimate where the generator is elsewhere."""
        if not self.config.generates_here:
            # Three bytes a token is more tokens than any common tokenizer makes of prose.
            return math.ceil(len(text.encode()) / 3)
        return self._counted(text)

    def forget_prompts(self) -> None:
        """Drop every text that is held in memory."""
        with self._guard:
            generator = self._parts.get("generator")
        self._counted.cache_clear()
        if isinstance(generator, RemembersPrompts):
            generator.forget_prompts()

    def _count_tokens(self, text: str) -> int:
        return self.generator.count_tokens(text)

    def _log_likelihood(
        self, conversations: Sequence[Conversation], responses: Sequence[str]
    ) -> FloatArray:
        return self.generator.log_likelihood(conversations, responses)  # loaded when first asked

    def _make_feature_encoder(self) -> Encoder:
        name = self.config.feature_encoder
        if name == GENERATOR_FEATURES and self.config.generates_here:
            return LazyEncoder(lambda: self.generator.feature_encoder)
        plugin = "sentence" if name == GENERATOR_FEATURES else name
        return LazyEncoder(lambda: self._encoder(plugin, self.config.feature_weights))

    def _encoder(self, plugin: str, weights: str | None) -> Encoder:
        return self.plugins.create(
            "encoder",
            plugin,
            weights=self.weights(weights or self.config.sentence_encoder),
            **self._settings(plugin),
        )

    def _make_generator(self) -> Generator:
        name, plugin = self.config.generator, self.config.generator_plugin
        if name is None:
            raise ConfigError(
                "generator is None, but a reply was to be generated",
                remedy="set generator, or use personalize() and rank() with your own model",
            )
        if is_address(name):
            plugin = "openai_compatible" if plugin == "local" else plugin
            encoder, settings = self.feature_encoder, self._settings(plugin)
            return self.plugins.create(
                "generator", plugin, address=name, encoder=encoder, **settings
            )
        made = self.plugins.create(
            "generator", plugin, weights=self.weights(name), **self._settings(plugin)
        )
        if self.config.batch_rows and isinstance(made, SharesBatches):
            made.share_batches(self.config.batch_rows)
        return made

"""The parts of one engine, each made when it is first needed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from persona_engine.adapters.clustering import Clusters
from persona_engine.adapters.service import Adapters
from persona_engine.attributes import Attributes
from persona_engine.choosing import Decoders
from persona_engine.config import GENERATOR_FEATURES, EngineConfig, is_address
from persona_engine.decoding.cost import CostBook
from persona_engine.encoders.lazy import LazyEncoder
from persona_engine.errors import ConfigError
from persona_engine.features import FeatureCache, Text
from persona_engine.indexes import Indexes
from persona_engine.instructions import operator_rule
from persona_engine.interfaces import (
    AsksLanguageModel,
    Encoder,
    Generator,
    LanguageTools,
    Progress,
    ReadsPairs,
    RemembersPrompts,
    RewardModel,
    SharesBatches,
)
from persona_engine.learning import Learner, OnlinePolicy
from persona_engine.observing import Observation
from persona_engine.onboarding import DefaultPopulation, load_blend_features, load_shipped
from persona_engine.onboarding.cold_start import ColdStart
from persona_engine.personalize import Personalizer
from persona_engine.plugins import discover
from persona_engine.presuming import Presumption
from persona_engine.redacting import Redaction
from persona_engine.reminding import Reminder
from persona_engine.store import Clock, Store, as_it_is
from persona_engine.types import Context, Conversation, FloatArray, Population, Scope
from persona_engine.weighing import EvidencePolicy
from persona_engine.weights import resolve, weights_hash

_COUNTED = 4_096


class Runtime(Indexes):
    """Wires plugins, weights, store and caches together; holds no algorithm.

    Args:
        config: Settings.
        clock: Gives the time.
        progress: Told of long work, such as fetching weights.
        plugins: Further plugin objects of the host.
    """

    def __init__(
        self,
        config: EngineConfig,
        *,
        clock: Clock,
        progress: Progress,
        plugins: Iterable[object] = (),
    ) -> None:
        self.given_plugins = tuple(plugins)
        found = discover(
            blocked=config.blocked_plugins,
            strict=config.strict_plugins,
            extra=self.given_plugins,
        )
        super().__init__(config, found)
        self.clock = clock
        self.progress = progress
        self._rules = [operator_rule(text) for text in config.operator_rules]
        self.observation = Observation()
        redact = Redaction(self.redactors) if config.redactors else as_it_is
        self.store = Store(config.database, clock=clock, observer=self.observation, redact=redact)
        # Every reply of a person counts the same lines.
        self._counted = lru_cache(maxsize=_COUNTED)(self._count_tokens)
        try:
            self.learner = self._learner()
        except BaseException:
            self.store.close()
            raise

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
    def sentences(self) -> FeatureCache:
        """Sentence embeddings, for instructions."""

        def make() -> FeatureCache:
            encoder = self._sentence_encoder("sentence")
            return FeatureCache(encoder, self.store, observer=self.observation)

        return self._once("sentences", make)

    @property
    def features(self) -> FeatureCache:
        """Features that rewards are learned on."""
        return self.learner.features

    @property
    def attributes(self) -> Attributes:
        """The bank's styles and the host's own attributes."""
        return self._once("attributes", lambda: Attributes.known(self.config.attributes))

    @property
    def default_population(self) -> DefaultPopulation | None:
        """The population that the package ships for this reward model and feature space."""
        return self._once(
            "default_population",
            lambda: load_shipped(
                self.config.reward_model, self.learner.features.encoder.fingerprint
            ),
        )

    @property
    def cold_start(self) -> ColdStart:
        """Presumes of new people what others like them have said."""
        return self._once(
            "cold_start",
            lambda: ColdStart(
                self.store,
                self.learner.model,
                sentences=lambda: self.sentences,
                index=lambda tenant, space: self.index(tenant, "traits", space),
                evidence=self.learner.evidence,
            ),
        )

    @property
    def personalizer(self) -> Personalizer:
        """Applies what is known about a user to a conversation."""

        def make() -> Personalizer:
            return Personalizer(
                learner=self.learner,
                reminder=self._reminder(),
                decoders=self.decoders,
                attributes=lambda: self.attributes,
                adapters=self.adapters,
                observation=self.observation,
            )

        return self._once("personalizer", make)

    @property
    def decoders(self) -> Decoders:
        """The decoders, by name and by budget."""
        return self._once(
            "decoders",
            lambda: Decoders(
                self.plugins, self.config.plugin_settings, CostBook(self.config.data_folder)
            ),
        )

    @property
    def adapters(self) -> Adapters:
        """The adapters of user clusters."""
        config = self.config
        return self._once(
            "adapters",
            lambda: Adapters(
                self.store,
                config.adapters_folder or self.index_folder / "adapters",
                clusterer=self.clusterer,
                base=lambda: self.adapter_base,
                confidence=config.adapter_confidence,
                memory=int(config.adapter_memory_mb * 2**20),
                refresh_seconds=config.population_refresh_seconds,
            ),
        )

    @property
    def clusters(self) -> Clusters:
        """Finds and tells the clusters of users."""
        return self._once(
            "clusters",
            lambda: Clusters(
                self.learner,
                self.clusterer,
                attributes=tuple(self.attributes.all.values()),
                confidence=self.config.adapter_confidence,
            ),
        )

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

    def _reminder(self) -> Reminder:
        return Reminder(
            store=self.store,
            sentences=lambda: self.sentences,
            selector=lambda: self.selector,
            verifiers=lambda: self.verifiers,
            tools=self.language_tools,
            count_tokens=self.count_tokens,
            rules=self._rules,
            budget=self.config.instruction_budget,
            clock=self.clock,
        )

    def reward_model(self, name: str) -> RewardModel:
        """Return a new reward model by its plugin's name."""
        model = self.plugins.create("reward_model", name, **self._settings(name))
        ask = self._context().log_likelihood
        return model.asking(ask) if ask and isinstance(model, AsksLanguageModel) else model

    def language_tools(self, tenant: str) -> LanguageTools:
        """Return what methods that read words may ask, for one tenant's texts."""
        sentences = self.sentences

        def embed(texts: Sequence[str]) -> FloatArray:
            return sentences.get(tenant, [Text(each) for each in texts], keep=False)

        encoder = sentences.encoder
        return LanguageTools(
            embed,
            encoder.fingerprint,
            self._context().log_likelihood,
            encoder.read_pairs if isinstance(encoder, ReadsPairs) else None,
        )

    def _context(self) -> Context:
        """Return what models of texts may ask: the language model, where there is one."""
        if not self._generates_here:
            return Context()
        return Context(log_likelihood=self._log_likelihood)

    def _log_likelihood(
        self, conversations: Sequence[Conversation], responses: Sequence[str]
    ) -> FloatArray:
        return self.generator.log_likelihood(conversations, responses)  # loaded when first asked

    def count_tokens(self, text: str) -> int:
        """Return a text's length in tokens; a careful estimate where the generator is elsewhere."""
        if not self._generates_here:
            # Three bytes a token is more tokens than any common tokenizer makes of prose.
            return math.ceil(len(text.encode()) / 3)
        return self._counted(text)

    def _count_tokens(self, text: str) -> int:
        return self.generator.count_tokens(text)

    def forget_cached(self) -> None:
        """Drop every feature and every prompt that is held in memory."""
        with self._guard:
            held = [self.features, self._parts.get("sentences")]
            generator = self._parts.get("generator")
        self._counted.cache_clear()
        self.cold_start.clear()
        for cache in held:
            if isinstance(cache, FeatureCache):
                cache.clear()
        if isinstance(generator, RemembersPrompts):
            generator.forget_prompts()

    def close(self) -> None:
        """Close the store; what was acknowledged is on the disk already."""
        self.store.close()

    def _learner(self) -> Learner:
        config = self.config
        features = FeatureCache(
            self._feature_encoder(),
            self.store,
            shipped=self._bank_features,
            observer=self.observation,
        )

        def shipped() -> Population | None:
            default = self.default_population
            return None if default is None else default.population

        return Learner(
            self.store,
            self.reward_model(config.reward_model),
            features,
            shipped=shipped,
            refresh_seconds=config.population_refresh_seconds,
            context=self._context(),
            steering=self.attributes.pairs_of,
            presumed=self._presumed,
            policy=EvidencePolicy.configured(config),
            online=OnlinePolicy.configured(config),
            observer=self.observation,
        )

    def _presumed(self, scope: Scope, population: Population) -> Presumption | None:
        return self.cold_start.presumed(scope, population)

    def _bank_features(self) -> Mapping[str, FloatArray]:
        """Return what the package ships: features of the replies of its questions."""

        def make() -> Mapping[str, FloatArray]:
            default = self.default_population
            if default is None:
                return {}
            return {
                **load_blend_features(self.learner.features.encoder.fingerprint),
                **default.features,
            }

        return self._once("bank_features", make)

    def _feature_encoder(self) -> Encoder:
        name = self.config.feature_encoder
        if name == GENERATOR_FEATURES and self._generates_here:
            return LazyEncoder(lambda: self.generator.feature_encoder)
        plugin = "sentence" if name == GENERATOR_FEATURES else name
        return LazyEncoder(lambda: self._encoder(plugin, self.config.feature_weights))

    @property
    def _generates_here(self) -> bool:
        return self.config.generator is not None and not is_address(self.config.generator)

    def _sentence_encoder(self, plugin: str) -> Encoder:
        return self._encoder(plugin, None)

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
        settings = self._settings(plugin)
        if is_address(name):
            plugin = "openai_compatible" if plugin == "local" else plugin
            settings, encoder = self._settings(plugin), self.learner.features.encoder
            return self.plugins.create(
                "generator", plugin, address=name, encoder=encoder, **settings
            )
        made = self.plugins.create("generator", plugin, weights=self.weights(name), **settings)
        if self.config.batch_rows and isinstance(made, SharesBatches):
            made.share_batches(self.config.batch_rows)
        return made

"""The parts of one engine, each made when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from persona_engine.adapters.clustering import Clusters
from persona_engine.adapters.service import Adapters
from persona_engine.attributes import Attributes
from persona_engine.choosing import Decoders
from persona_engine.config import EngineConfig
from persona_engine.decoding.cost import CostBook
from persona_engine.features import FeatureCache, Text
from persona_engine.indexes import Indexes
from persona_engine.instructions import operator_rule
from persona_engine.interfaces import (
    LanguageTools,
    Progress,
    ReadsPairs,
)
from persona_engine.learning import Learner, OnlinePolicy
from persona_engine.models import Models
from persona_engine.observing import Observation
from persona_engine.onboarding import DefaultPopulation, load_blend_features, load_shipped
from persona_engine.onboarding.cold_start import ColdStart
from persona_engine.personalize import Personalizer
from persona_engine.plugins import discover
from persona_engine.presuming import Presumption
from persona_engine.redacting import Redaction
from persona_engine.reminding import Reminder
from persona_engine.store import Clock, Store, as_it_is
from persona_engine.types import FloatArray, Population, Scope
from persona_engine.weighing import EvidencePolicy


class Runtime(Models, Indexes):
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
        super().__init__(config, found, progress=progress)
        self.clock = clock
        self._rules = [operator_rule(text) for text in config.operator_rules]
        self.observation = Observation()
        redact = Redaction(self.redactors) if config.redactors else as_it_is
        self.store = Store(config.database, clock=clock, observer=self.observation, redact=redact)
        try:
            self.learner = self._learner()
        except BaseException:
            self.store.close()
            raise

    @property
    def sentences(self) -> FeatureCache:
        """Sentence embeddings, for instructions."""

        def make() -> FeatureCache:
            return FeatureCache(self.sentence_encoder, self.store, observer=self.observation)

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

    def language_tools(self, tenant: str) -> LanguageTools:
        """Return what methods that read words may ask, for one tenant's texts."""
        sentences = self.sentences

        def embed(texts: Sequence[str]) -> FloatArray:
            return sentences.get(tenant, [Text(each) for each in texts], keep=False)

        encoder = sentences.encoder
        return LanguageTools(
            embed,
            encoder.fingerprint,
            self.context().log_likelihood,
            encoder.read_pairs if isinstance(encoder, ReadsPairs) else None,
        )

    def forget_cached(self) -> None:
        """Drop every feature and every prompt that is held in memory."""
        with self._guard:
            held = [self.features, self._parts.get("sentences")]
        self.cold_start.clear()
        for cache in held:
            if isinstance(cache, FeatureCache):
                cache.clear()
        self.forget_prompts()

    def close(self) -> None:
        """Close the store; what was acknowledged is on the disk already."""
        self.store.close()

    def _learner(self) -> Learner:
        config = self.config
        features = FeatureCache(
            self.feature_encoder,
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
            context=self.context(),
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

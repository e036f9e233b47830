"""Adapters of an engine's tenants are trained with the engine's own parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from persona_engine.adapters.plan import AdapterPlan
from persona_engine.adapters.told import TastesTold
from persona_engine.adapters.training import train_adapters
from persona_engine.adapters.training_report import AdapterReport
from persona_engine.adapters.workshop import Order, Workshop
from persona_engine.config import is_address
from persona_engine.errors import ConfigError, NotFoundError
from persona_engine.interfaces import Progress, ReadsPrecisely, TakesAdapters
from persona_engine.runtime import Runtime
from persona_engine.weights import weights_hash


@dataclass(frozen=True, slots=True)
class Training:
    """How a host wants adapters to be trained.

    Args:
        loss: Plugin that trains.
        settings: The plugin's settings.
        plan: How, whatever the plugin.
        seed: Decides everything.
    """

    loss: str
    settings: Mapping[str, Any]
    plan: AdapterPlan
    seed: int


def train_for(
    runtime: Runtime, tenant: str, cluster: str | None, training: Training, *, progress: Progress
) -> tuple[AdapterReport, ...]:
    """Train adapters for one of a tenant's clusters, or for all; see `train_adapters`.

    Raises:
        NotFoundError: The tenant has no clusters, or none of that name.
        ConfigError: The engine has no generator that takes adapters.
    """
    settings = {**runtime.config.plugin_settings.get(training.loss, {}), **training.settings}
    plan = training.plan
    if settings.get("worst_group"):
        plan = plan.changed({"selection.by_part": True})
    order = Order(
        trainer=runtime.plugins.create("adapter_trainer", training.loss, **settings),
        settings=settings,
        plan=plan,
        judge=runtime.reward_model(plan.judge),
        seed=training.seed,
    )
    shop = _workshop(runtime, tenant)
    clusters = shop.clustering.names if cluster is None else (cluster,)
    return train_adapters(shop, order, clusters, progress=progress)


def _workshop(runtime: Runtime, tenant: str) -> Workshop:
    clustering = runtime.store.tenant(tenant).published_clustering()
    if clustering is None:
        raise NotFoundError(
            f"tenant {tenant!r} has no clusters to train adapters for",
            remedy="find them first: `persona cluster`, or engine.cluster()",
        )
    generator, name = runtime.generator, runtime.config.generator
    if name is None or is_address(name) or not isinstance(generator, TakesAdapters):
        raise ConfigError(
            f"generator {generator.name!r} takes no adapters that are trained here",
            remedy="set generator_plugin to one that does, such as local",
        )
    weights = runtime.weights(name)
    return Workshop(
        tenant=tenant,
        learner=runtime.learner,
        sentences=runtime.sentences,
        clusterer=runtime.clusterer(clustering.clusterer),
        clustering=clustering,
        generator=generator,
        precise=generator.in_float32() if isinstance(generator, ReadsPrecisely) else generator,
        weights=weights,
        base=weights_hash(weights)[:16],
        registry=runtime.adapters.registry(tenant),
        folder=runtime.training_folder,
        told=TastesTold(runtime.learner, runtime.attributes.all, runtime.count_tokens),
    )

"""What adapters are trained and judged with, and what is to be trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persona_engine.adapters.examples import Told
from persona_engine.adapters.members import Member, Members
from persona_engine.adapters.plan import AdapterPlan
from persona_engine.adapters.registry import AdapterRegistry
from persona_engine.features import FeatureCache
from persona_engine.interfaces import AdapterTrainer, Clusterer, RewardModel, TakesAdapters
from persona_engine.learning import Learner
from persona_engine.types import Clustering

Tells = Callable[[Members, str, Sequence[Member]], Told]
"""Returns, for some users of a cluster, what tells a prompt what they like."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What adapters of one tenant are trained and judged with.

    Args:
        tenant: Whose clusters they are.
        learner: The users' reward model and its features.
        sentences: Sentence embeddings, for the independent judge.
        clusterer: Says who belongs to which cluster.
        clustering: The clusters in use.
        generator: The base model.
        precise: The base model with float32 arithmetic, where its generator has that.
        weights: Its folder.
        base: Its hash.
        registry: Where adapters are kept.
        folder: Where unfinished work is.
        told: Tells prompts what users like.
    """

    tenant: str
    learner: Learner
    sentences: FeatureCache
    clusterer: Clusterer
    clustering: Clustering
    generator: TakesAdapters
    precise: TakesAdapters
    weights: Path
    base: str
    registry: AdapterRegistry
    folder: Path
    told: Tells


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be trained.

    Args:
        trainer: By which objective.
        settings: The trainer's, as far as they were set.
        plan: How, whatever the objective.
        judge: A new reward model for the independent judge.
        seed: Decides everything.
    """

    trainer: AdapterTrainer
    settings: Mapping[str, Any]
    plan: AdapterPlan
    judge: RewardModel
    seed: int

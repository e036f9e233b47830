"""Clusters of users, and what trains an adapter for one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from persona_engine.interfaces.progress import Progress, no_progress
from persona_engine.types import Beliefs, Clustering, FloatArray, TrainedAdapter, TrainingTask

Needs = Literal["pairs", "rated", "prompts", "reward", "contrasts"]


class Clusterer(ABC):
    """Finds groups of users with shared taste from what is believed about each.

    Every method is pure: arguments are never changed and equal arguments give equal results.

    Attributes:
        name: The name that the plugin registers it under.
    """

    name: str

    @abstractmethod
    def fit(
        self,
        beliefs: Beliefs,
        *,
        population: str,
        rng: np.random.Generator,
        progress: Progress = no_progress,
    ) -> Clustering:
        """Find the groups; how many, is chosen inside on held-out users.

        The names are ``group-1``, ``group-2`` …, largest first: whoever stores the clustering gives
        lasting ones.

        Raises:
            InvalidInputError: There are too few users or comparisons for one group.
        """

    @abstractmethod
    def membership(self, clustering: Clustering, beliefs: Beliefs) -> FloatArray:
        """Return P(user belongs to group), ``(U, K)``, each row adding to 1.

        What is not known about a user spreads it: the less is known, the nearer to the groups'
        shares.
        """


@runtime_checkable
class AdapterTrainer(Protocol):
    """Trains an adapter that moves the base model towards what a group of users prefers.

    Attributes:
        name: The name that the plugin registers it under.
        needs: What of a `TrainingTask` it cannot do without; ``prompts`` and ``reward`` let it
            sample replies of its own.
    """

    name: str
    needs: frozenset[Needs]

    def train(self, task: TrainingTask, *, progress: Progress = no_progress) -> TrainedAdapter:
        """Train, or go on where an earlier run in the same folder was broken off.

        The same task gives the same adapter, to float tolerance, however often it was interrupted.

        Raises:
            InvalidInputError: The task lacks what `needs` names.
            MissingExtraError: A training library is not installed.
        """


def lacking(trainer: AdapterTrainer, task: TrainingTask) -> Sequence[Needs]:
    """Return what a trainer needs and a task does not have."""
    having: dict[Needs, object] = {
        "pairs": task.pairs,
        "rated": task.rated,
        "prompts": task.prompts,
        "reward": task.reward,
        "contrasts": task.contrasts,
    }
    return [name for name, value in having.items() if name in trainer.needs and not value]

"""Takes a person who is forgotten out of the populations in use, until these are fitted again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from persona_engine.errors import ArtefactError, MissingExtraError, PluginError, WeightsError
from persona_engine.fitting import UNTIL
from persona_engine.interfaces import RewardModel, Unlearns, given
from persona_engine.learning import Learner
from persona_engine.store import Correction, Unlearning
from persona_engine.types import Comparison, Context, Evidence, Population, Scope

logger = logging.getLogger("persona_engine.forgetting")


def unlearning_of(
    learner: Learner,
    scope: Scope,
    *,
    model_of: Callable[[str], RewardModel],
    tolerance: float,
) -> Unlearning | None:
    """Return how a user is taken out of the populations in use; None where nothing can be.

    What needs features or weights is read here, before the transaction that forgets the user.

    Args:
        learner: Whose features the comparisons have.
        scope: The user.
        model_of: Makes a reward model by its plugin's name.
        tolerance: Logits by which predictions may be off before a corrected population takes over.
    """
    user = learner.store.user(scope)
    places = user.taught()
    if not places:
        return None
    try:
        space = learner.features.encoder.fingerprint
        models = {name: model_of(name) for name, its_space in places if its_space == space}
        able = {name: each for name, each in models.items() if isinstance(each, Unlearns)}
        if not able:
            return None
        events = user.comparisons()
        learner.evidence(scope.tenant, events)  # encodes what nobody has encoded
    except (WeightsError, MissingExtraError, ArtefactError, PluginError) as error:
        logger.warning("populations keep a user until they are fitted again: %s", error)
        return None
    taking = _TakingOut(learner, scope.tenant, events, able, space)
    return Unlearning(taking.correct, tolerance)


@dataclass(frozen=True, slots=True)
class _TakingOut:
    """One user, and the models that can take them out of a population."""

    learner: Learner
    tenant: str
    events: Sequence[Comparison]
    models: Mapping[str, RewardModel]
    space: str

    def correct(self, population: Population, share: float) -> Correction | None:
        """Return the population without the user, and by how much that moves predictions.

        Args:
            population: The population.
            share: Of what the user's comparisons count, what they counted in its fit.
        """
        model = self.models.get(population.reward_model)
        if not isinstance(model, Unlearns) or population.fingerprint != self.space:
            return None
        evidence = self._in_fit(population)
        evidence = replace(evidence, weight=np.float32(share) * evidence.weight)
        rest = model.unlearn(population, evidence)
        if rest is None:
            return None
        return Correction(rest, moved(model, population, rest, evidence))

    def _in_fit(self, population: Population) -> Evidence:
        """Return the comparisons that the population learned from, weighted as they were."""
        until = population.meta.get(UNTIL)
        last = None if until is None else datetime.fromisoformat(until)
        events = [each for each in self.events if last is None or each.created_at <= last]
        if not events:
            return Evidence.empty(self.learner.features.width)
        return self.learner.evidence(self.tenant, events)


def moved(model: RewardModel, before: Population, after: Population, evidence: Evidence) -> float:
    """Return by how many logits one population's predictions differ from another's, at most.

    Asked on the pairs that the user compared, where their influence is greatest, for somebody
    unknown and for somebody who answered like the user.
    """
    if not len(evidence):
        return 0.0
    asked = given(Context(evidence.prompt, evidence.texts) if model.reads else None)
    a, b = evidence.chosen, evidence.rejected
    largest = 0.0
    for known in (Evidence.empty(evidence.width), evidence):
        one, other = (
            model.logit(each, model.infer(each, known), a, b, **asked).mean
            for each in (before, after)
        )
        largest = max(largest, float(np.abs(one - other).max()))
    return largest

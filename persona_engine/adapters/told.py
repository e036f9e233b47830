"""Prompts told what a cluster's users like, as standing instructions would say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

import numpy as np

from persona_engine.adapters.cluster_report import tastes_of_clusters
from persona_engine.adapters.examples import Told
from persona_engine.adapters.members import Member, Members
from persona_engine.attributes import tastes_of, wishes
from persona_engine.belief import Belief
from persona_engine.instructions import render_instructions
from persona_engine.learning import Learner
from persona_engine.onboarding import Attribute
from persona_engine.types import Beliefs, Conversation, Instruction, Posterior, Taste

_MOST = 4
_BUDGET = 128
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


class TastesTold:
    """Tells prompts what some users of a cluster like, in the attributes' words.

    Args:
        learner: Knows what users prefer.
        attributes: What is told, by name.
        count_tokens: Length of a text in the model's tokens.
    """

    def __init__(
        self,
        learner: Learner,
        attributes: Mapping[str, Attribute],
        count_tokens: Callable[[str], int],
    ) -> None:
        self._learner = learner
        self._attributes = attributes
        self._count_tokens = count_tokens

    def __call__(self, members: Members, cluster: str, people: Sequence[Member]) -> Told:
        """Return what places the cluster's surest wishes beside a prompt's last user turn."""
        told = [
            Instruction(f"cluster-{place}", wish, _ALWAYS, source="induced")
            for place, wish in enumerate(self._wishes(members, cluster, people))
        ]

        def placed(prompt: Conversation) -> Conversation:
            return render_instructions(
                prompt, told, budget=_BUDGET, count_tokens=self._count_tokens
            ).messages

        return placed

    def _wishes(self, members: Members, cluster: str, people: Sequence[Member]) -> list[str]:
        """Return up to four wishes, one for each of the cluster's surest tastes."""
        posteriors = {each.name: each.posterior for each in people}
        beliefs = Beliefs(
            tuple(posteriors),
            np.stack([each.mean for each in posteriors.values()]),
            np.stack([each.covariance for each in posteriors.values()]),
            np.array([each.count for each in posteriors.values()], np.int64),
        )
        weight = np.array([each.membership[members.column(cluster)] for each in people])
        (tastes,) = tastes_of_clusters(
            beliefs,
            weight[:, None].astype(np.float32),
            lambda user: self._tastes(members, posteriors[user]),
        )
        said = [wish for taste in tastes for wish in wishes([taste], self._attributes)]
        return said[:_MOST]

    def _tastes(self, members: Members, posterior: Posterior) -> tuple[Taste, ...]:
        belief = Belief(self._learner.model, members.population, posterior)
        known = partial(self._learner.features.find, members.tenant)
        return tastes_of(belief, tuple(self._attributes.values()), known)

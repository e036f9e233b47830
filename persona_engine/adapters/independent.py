"""A reward model that shares neither users nor features with what trained an adapter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_engine.adapters.cluster_rewards import of_spoken
from persona_engine.adapters.members import Flags, Member, Members
from persona_engine.adapters.surface import surface
from persona_engine.errors import InvalidInputError
from persona_engine.features import FeatureCache, Text
from persona_engine.interfaces import RewardModel
from persona_engine.types import FloatArray, PreferenceData

FEWEST_USERS = 10
"""With fewer held-out users no independent reward model is fitted."""

_MEANING = np.float32(5.0)  # unit vectors of some hundred dimensions vary less than counts do


class IndependentJudge:
    """A reward model fitted to the held-out users alone, in another encoder's space.

    The users' own reward model reads the language model's hidden states and has met whoever trained
    the adapter; this one reads sentence embeddings and counts of what is on a text's surface, of
    people and comparisons that trained nothing. Whoever has learned to please the one has not
    thereby learned to please the other (Gao et al. 2022, "Scaling laws for reward model
    overoptimization", arXiv 2210.10760).

    Args:
        model: A reward model that reads features alone.
        sentences: Sentence embeddings.
        members: The tenant's users, of whom those that are held out count.
        seed: Decides the fit.

    Raises:
        InvalidInputError: Fewer than ten users are held out.
    """

    def __init__(
        self, model: RewardModel, sentences: FeatureCache, members: Members, *, seed: int
    ) -> None:
        self._model = model
        self._sentences = sentences
        self._members = members
        judges = [each for each in members.people if each.judges and not each.held_out.all()]
        if len(judges) < FEWEST_USERS:
            raise InvalidInputError(
                f"{len(judges)} users are held out to judge by, expected at least {FEWEST_USERS}",
                remedy="collect comparisons of more users, or hold out a greater share of them",
            )
        data = self._data(judges)
        self._population = model.fit(data, rng=np.random.default_rng([seed, 62]))
        found = model.infer_many(
            self._population, [data.evidence(row) for row in range(len(judges))]
        )
        names = (each.name for each in judges)
        self._posteriors = dict(zip(names, found, strict=True))

    def accuracy(self, people: Sequence[Member]) -> float | None:
        """Return how often it is right about comparisons that it was not fitted to; None of none.

        Args:
            people: Held-out users; asked of their held-out prompts.
        """
        rights: list[float] = []
        for person in people:
            if person.name in self._posteriors and person.held_out.any():
                chosen, rejected = self._sides(person, person.held_out)
                posterior = self._posteriors[person.name]
                logit = self._model.logit(self._population, posterior, chosen, rejected)
                rights += np.where(logit.mean == 0, 0.5, logit.mean > 0).tolist()
        return float(np.mean(rights)) if rights else None

    def reward(self, cluster: str, people: Sequence[Member], texts: Sequence[str]) -> FloatArray:
        """Return the membership-weighted mean reward ``(n,)`` of texts for held-out users.

        Raises:
            InvalidInputError: It knows none of them.
        """
        known = [each for each in people if each.name in self._posteriors]
        if not known:
            raise InvalidInputError(f"nobody of cluster {cluster!r} is held out to judge by")
        column = self._members.column(cluster)
        weight = np.array([each.membership[column] for each in known], np.float32)
        posteriors = [self._posteriors[each.name] for each in known]

        def judged(said: Sequence[str]) -> FloatArray:
            scores = self._model.score(self._population, posteriors, self._read(said))  # (U, n)
            mean: FloatArray = (weight @ scores.mean / weight.sum()).astype(np.float32)
            return mean

        return of_spoken(texts, judged)

    def _data(self, judges: Sequence[Member]) -> PreferenceData:
        sides = [self._sides(each, ~each.held_out) for each in judges]
        counts = [len(chosen) for chosen, _ in sides]
        return PreferenceData(
            np.concatenate([chosen for chosen, _ in sides]),
            np.concatenate([rejected for _, rejected in sides]),
            np.repeat(np.arange(len(judges), dtype=np.int64), counts),
            f"{self._sentences.encoder.fingerprint}+surface",
            np.concatenate([each.weight[~each.held_out] for each in judges]),
        )

    def _sides(self, person: Member, wanted: Flags) -> tuple[FloatArray, FloatArray]:
        """Return features ``(n, D)`` of what somebody chose and rejected."""
        events = [event for event, each in zip(person.events, wanted, strict=True) if each]
        texts = [text for event in events for text in (event.chosen, event.rejected)]
        features = self._read(texts)  # (2n, D)
        return features[0::2], features[1::2]

    def _read(self, texts: Sequence[str]) -> FloatArray:
        meaning = self._sentences.get(
            self._members.tenant, [Text(each) for each in texts], keep=False
        )
        return np.hstack([_MEANING * meaning, surface(texts)])

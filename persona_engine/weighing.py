"""How much each piece of feedback counts: by source, by age, by how often labels are wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

import numpy as np

from persona_engine.config import EngineConfig
from persona_engine.modelling import with_label_noise
from persona_engine.store import NewComparison
from persona_engine.types import Comparison, Evidence, FloatArray, IntArray

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class EvidencePolicy:
    """What is done to comparisons before any reward model sees them.

    Args:
        source_weights: Factor on the weight of each source, such as ``{"rating": 0.5}``; 1 for
            a source that is not named.
        half_life_days: Comparisons this much older than the same user's newest count half; None
            for no drift. Age is counted from the newest one, so that a user who stays away does
            not become a stranger.
        half_life_answers: Comparisons with this many later ones of the same user count half; None
            for no such drift. With both, an answer fades by each.
        label_noise: Share of labels that are wrong, 0 to ⅓.
    """

    source_weights: Mapping[str, float] = field(default_factory=dict)
    half_life_days: float | None = None
    half_life_answers: float | None = None
    label_noise: float = 0.0

    @classmethod
    def configured(cls, config: EngineConfig) -> Self:
        """Return what an engine's settings say."""
        return cls(
            source_weights=config.source_weights,
            half_life_days=config.half_life_days,
            half_life_answers=config.half_life_answers,
            label_noise=config.label_noise,
        )

    @property
    def drifts(self) -> bool:
        """Whether a new comparison changes what earlier ones count."""
        return self.half_life_days is not None or self.half_life_answers is not None

    def weights(
        self,
        events: Sequence[Comparison | NewComparison],
        *,
        newest: Sequence[datetime] | None = None,
        later: IntArray | None = None,
    ) -> FloatArray:
        """Return the weight of each comparison, ``(n,)``.

        Args:
            events: Comparisons, of each user oldest first.
            newest: For each of them, when its user's newest was made; omitted, they are one user's.
            later: For each of them, how many later ones its user made; omitted, they are all that
                one user made. What is not yet recorded is the newest there is.
        """
        weight = np.array(
            [each.weight * self.source_weights.get(each.source, 1.0) for each in events], np.float32
        )
        made = [each.created_at for each in events if isinstance(each, Comparison)]
        if not made:
            return weight
        halvings = np.zeros(len(events))
        if self.half_life_days is not None:
            latest = [max(made)] * len(made) if newest is None else newest
            days = [
                (last - then).total_seconds() / _DAY
                for last, then in zip(latest, made, strict=True)
            ]
            halvings += np.maximum(days, 0.0) / self.half_life_days
        if self.half_life_answers is not None:
            age = np.arange(len(events))[::-1] if later is None else later
            halvings += age / self.half_life_answers
        faded: FloatArray = (weight * np.exp2(-halvings)).astype(np.float32)
        return faded

    def strengths(self, people: Sequence[Sequence[Comparison]]) -> tuple[FloatArray, FloatArray]:
        """Return the weights and targets ``(Σn,)`` of several users' comparisons, oldest first.

        They are those that `weights`, `targets` and `corrected` give of each of them.
        """
        events = [event for each in people for event in each]
        newest = [max(event.created_at for event in each) for each in people if each]
        counts = [len(each) for each in people if each]
        weight = self.weights(
            events,
            newest=[moment for moment, n in zip(newest, counts, strict=True) for _ in range(n)],
            later=np.concatenate([np.arange(n)[::-1] for n in counts] or [np.zeros(0, np.int64)]),
        )
        nothing = np.zeros((len(events), 0), np.float32)
        told = self.corrected(Evidence(nothing, nothing, weight, target=targets(events)))
        return told.weight, told.target

    def corrected(self, evidence: Evidence) -> Evidence:
        """Return evidence whose targets undo the share of wrong labels."""
        return with_label_noise(evidence, self.label_noise)


def targets(events: Sequence[Comparison | NewComparison]) -> FloatArray:
    """Return the share of each preference that goes to the chosen text, ``(n,)``: ½ for a tie.

    The gradient of a tie is that of Davidson's model (1970, "On extending the Bradley-Terry model
    to accommodate ties") up to its factor: it draws the two rewards together.
    """
    return np.array([0.5 if each.tie else 1.0 for each in events], np.float32)

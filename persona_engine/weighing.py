"""How much each piece of feedback counts: by source, by age, by how often labels are wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from persona_engine.modelling import with_label_noise
from persona_engine.store import NewComparison
from persona_engine.types import Comparison, Evidence, FloatArray

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
        label_noise: Share of labels that are wrong, 0 to ⅓.
    """

    source_weights: Mapping[str, float] = field(default_factory=dict)
    half_life_days: float | None = None
    label_noise: float = 0.0

    @property
    def drifts(self) -> bool:
        """Whether a new comparison changes what earlier ones count."""
        return self.half_life_days is not None

    def weights(
        self,
        events: Sequence[Comparison | NewComparison],
        *,
        newest: Sequence[datetime] | None = None,
    ) -> FloatArray:
        """Return the weight of each comparison, ``(n,)``.

        Args:
            events: Comparisons.
            newest: For each of them, when its user's newest was made; omitted, they are one user's.
        """
        weight = np.array(
            [each.weight * self.source_weights.get(each.source, 1.0) for each in events], np.float32
        )
        made = [each.created_at for each in events if isinstance(each, Comparison)]
        if self.half_life_days is None or not made:
            return weight  # what is not yet recorded is the newest there is
        latest = [max(made)] * len(made) if newest is None else newest
        days = [
            (last - then).total_seconds() / _DAY for last, then in zip(latest, made, strict=True)
        ]
        decayed: FloatArray = weight * np.exp2(-np.maximum(days, 0.0) / self.half_life_days)
        return decayed.astype(np.float32)

    def corrected(self, evidence: Evidence) -> Evidence:
        """Return evidence whose targets undo the share of wrong labels."""
        return with_label_noise(evidence, self.label_noise)


def targets(events: Sequence[Comparison | NewComparison]) -> FloatArray:
    """Return the share of each preference that goes to the chosen text, ``(n,)``: ½ for a tie.

    The gradient of a tie is that of Davidson's model (1970, "On extending the Bradley-Terry model
    to accommodate ties") up to its factor: it draws the two rewards together.
    """
    return np.array([0.5 if each.tie else 1.0 for each in events], np.float32)

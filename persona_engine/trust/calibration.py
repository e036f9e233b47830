"""Probabilities that mean what they say, and abstention at a promised error.

A factor on the log-odds is fitted to held-out people (temperature scaling: Guo et al. 2017,
arXiv:1706.04599). Without an intercept P(a ≻ b) + P(b ≻ a) stays 1. Then split conformal prediction
(Vovk, Gammerman & Shafer 2005) for selective classification (Geifman & El-Yaniv 2017,
arXiv:1705.08500): with ``k`` held-out predictions at least as sure as a threshold, ``e`` of them
wrong, those that are answered are wrong with probability ``(e + 1) / (k + 1)``, the one more being
the prediction to come. The threshold is the lowest at which that is at most the error asked for.
Both hold by number of answers (Mondrian: Vovk et al. 2005), since a stranger is predicted otherwise
than somebody known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from persona_engine.modelling import Doubles
from persona_engine.trust.held_out import Predictions
from persona_engine.types import Json, Score

CALIBRATION = "calibration"
"""Where a population's ``meta`` holds its calibration."""

BANDS = (0, 1, 3, 7, 13)
"""Least answers of each band."""

_FEWEST = 200  # held-out predictions that a band needs
_POINTS = 50
_TEMPERATURES = np.exp(np.linspace(np.log(0.1), np.log(10.0), 201))


@dataclass(frozen=True, slots=True)
class Rule:
    """From what confidence on to answer.

    Args:
        threshold: Least P(the likelier one is preferred); above 1 where nothing may be answered.
        promised: Share of wrong answers to expect.
        coverage: Share of questions that are answered, on held-out people.
    """

    threshold: float
    promised: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Band:
    """What held for people of so many answers.

    Args:
        least: Answers from which on it holds.
        factor: On the damped log-odds.
        predictions: Held-out predictions that it was fitted on.
        thresholds: Confidences, falling.
        risks: Share of wrong answers at or above each, with the one to come.
    """

    least: int
    factor: float
    predictions: int
    thresholds: tuple[float, ...]
    risks: tuple[float, ...]

    def rule(self, error: float) -> Rule:
        """Return the rule that answers most at an error of at most so much."""
        good = [place for place, risk in enumerate(self.risks) if risk <= error]
        if not good:
            return Rule(2.0, 0.0, 0.0)
        place = good[-1]
        # At the last threshold everything was answered; what is less sure still was never seen.
        whole = place == len(self.risks) - 1
        threshold = 0.5 if whole else self.thresholds[place]
        return Rule(threshold, self.risks[place], (place + 1) / len(self.risks))


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was fitted on held-out people, by number of answers."""

    bands: tuple[Band, ...]

    def band(self, count: int) -> Band:
        """Return what holds for somebody with so many answers."""
        return [each for each in self.bands if each.least <= count or each is self.bands[0]][-1]

    def probability(self, score: Score, count: int) -> Doubles:
        """Return the calibrated P(first preferred) of pair logits.

        Args:
            score: What the reward model says.
            count: Answers of the person that it rests on.
        """
        damped = score.mean / np.sqrt(1.0 + np.pi / 8.0 * np.square(score.std))
        result: Doubles = _sure(self.band(count).factor * damped.astype(np.float64))
        return result

    def document(self) -> dict[str, Any]:
        """Return it as JSON, for a population's ``meta``."""
        return {"bands": [asdict(each) for each in self.bands]}

    @classmethod
    def of(cls, meta: Json) -> Self | None:
        """Return the calibration in a population's ``meta``, or None where there is none."""
        found = meta.get(CALIBRATION)
        if not isinstance(found, Mapping):
            return None
        return cls(
            tuple(
                Band(
                    int(each["least"]),
                    float(each["factor"]),
                    int(each["predictions"]),
                    tuple(map(float, each["thresholds"])),
                    tuple(map(float, each["risks"])),
                )
                for each in found["bands"]
            )
        )


def fit_calibration(held_out: Predictions) -> Calibration | None:
    """Fit probabilities and thresholds to predictions of held-out people.

    Bands of too few predictions join the one below them.

    Returns:
        The calibration, or None where there are too few predictions for any.
    """
    bands: list[Band] = []
    waiting = np.zeros(len(held_out.count), bool)
    for place, least in enumerate(BANDS):
        above = BANDS[place + 1] if place + 1 < len(BANDS) else np.inf
        waiting |= (held_out.count >= least) & (held_out.count < above)
        if np.count_nonzero(waiting) >= _FEWEST:
            bands.append(_band(least, held_out.margin[waiting]))
            waiting[:] = False
    return Calibration(tuple(bands)) if bands else None


def _band(least: int, margin: Doubles) -> Band:
    losses = np.logaddexp(0.0, -_TEMPERATURES[:, None] * margin).mean(1)
    factor = float(_TEMPERATURES[int(np.argmin(losses))])
    confidence = _sure(factor * np.abs(margin))
    order = np.argsort(-confidence, kind="stable")
    wrong = np.where(margin == 0.0, 0.5, margin < 0.0)[order]
    ends = np.unique(np.ceil(np.linspace(0, len(margin), _POINTS + 1)[1:]).astype(np.int64))
    risks = (np.cumsum(wrong)[ends - 1] + 1.0) / (ends + 1.0)
    return Band(
        least,
        round(factor, 6),
        len(margin),
        tuple(np.round(confidence[order][ends - 1], 5).tolist()),
        tuple(np.round(risks, 5).tolist()),
    )


def _sure(logit: Doubles) -> Doubles:
    result: Doubles = 0.5 + 0.5 * np.tanh(0.5 * logit)
    return result

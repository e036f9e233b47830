"""Predictions that are given only where they are sure enough."""

from __future__ import annotations

from persona_engine.trust.calibration import Calibration, Rule
from persona_engine.types import Json, Prediction, Score


def predicted(score: Score, count: int, meta: Json, *, error: float) -> Prediction:
    """Return which of two replies is preferred, or that this is too unsure to say.

    Args:
        score: Log-odds ``(1,)`` that the first is preferred.
        count: Answers of the person that they rest on.
        meta: The population's, with its calibration if it has one.
        error: Largest share of wrong answers among those that are given.
    """
    calibration = Calibration.of(meta)
    if calibration is None:
        rule, grounds = Rule(1.0 - error, error, 0.0), "by the model's own probability"
        probability = float(score.probability()[0])
    else:
        rule = calibration.band(count).rule(error)
        grounds = "by people held out from the fit"
        probability = float(calibration.probability(score, count)[0])
    sure = max(probability, 1.0 - probability)
    if sure < rule.threshold or probability == 0.5:
        return Prediction(
            None,
            probability,
            None,
            calibrated=calibration is not None,
            reason=f"abstained: {sure:.2f} is not sure enough for an error of {error:g}, {grounds}",
        )
    return Prediction(
        "a" if probability > 0.5 else "b",
        probability,
        rule.promised,
        calibrated=calibration is not None,
        reason=f"{sure:.2f} is sure enough for an error of {rule.promised:.3f}, {grounds}",
    )

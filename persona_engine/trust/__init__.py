"""How far predictions can be trusted, and how far the people that they were learned from."""

from persona_engine.trust.abstention import predicted
from persona_engine.trust.calibration import CALIBRATION, Band, Calibration, Rule, fit_calibration
from persona_engine.trust.guard import Burst, GuardReport, guarded
from persona_engine.trust.held_out import (
    SHOTS,
    Predictions,
    held_out_predictions,
    joined,
    outcomes,
)

__all__ = [
    "CALIBRATION",
    "SHOTS",
    "Band",
    "Burst",
    "Calibration",
    "GuardReport",
    "Predictions",
    "Rule",
    "fit_calibration",
    "guarded",
    "held_out_predictions",
    "joined",
    "outcomes",
    "predicted",
]

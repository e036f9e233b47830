"""The posterior after each answer beside the batch's, and abstention at a promised error.

Unseen people answer one comparison after the other; after each, later questions are predicted from
the posterior that was moved by it, and from the one that is inferred from all answers at once.
Abstention is calibrated on one half of the unseen people and judged on the other, over
``DIVISIONS`` divisions at random: one division says as much about who fell into which half.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from onboarding_crowds import Crowd, crowd, population_of, right
from onboarding_reversal import online
from report import Figure, say

from persona_engine.trust import Calibration, Predictions, fit_calibration, held_out_predictions
from persona_engine.types import Population
from persona_hierarchical.reward_model import Hierarchical

ANSWERS = 16
ERRORS = (0.05, 0.1, 0.2)
DIVISIONS = 40
SETS = ("vtaiwan", "ukp")
_MOST_PEOPLE = 120


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return how far online and batch, promised and observed, lie apart."""
    figures: dict[str, Figure] = {}
    for name in SETS[:1] if quick else SETS:
        people = crowd(folder, name, seed=seed, support=32, quick=quick)
        if people is not None:
            population = population_of(people, seed, quick=quick)
            figures.update(_online(people, population))
            figures.update(_abstention(people, population, seed))
    return figures


def _online(people: Crowd, population: Population) -> dict[str, Figure]:
    model = Hierarchical()
    ours, batch, spent = [], [], 0.0
    for case in people.cases[:_MOST_PEOPLE]:
        told, asked = people.evidence(case.support[:ANSWERS]), people.evidence(case.query)
        if len(told) < ANSWERS:
            continue
        started = time.perf_counter()
        posteriors = online(model, population, told)
        spent += time.perf_counter() - started
        ours.append([right(model, population, each, asked) for each in posteriors])
        whole = model.infer_many(population, [told.take(range(n + 1)) for n in range(ANSWERS)])
        batch.append([right(model, population, each, asked) for each in whole])
    curve, wanted = np.mean(ours, 0), np.mean(batch, 0)
    apart = float(np.abs(curve - wanted).max())
    say(f"{people.name}: online {curve.round(4).tolist()}, batch {wanted.round(4).tolist()}")
    return {
        f"online_{people.name}_apart": Figure(
            apart, "accuracy, worst of 1 to 16 answers", 0.003, f"batch; {len(ours)} people"
        ),
        f"online_{people.name}_update": Figure(
            1e3 * spent / (len(ours) * ANSWERS), "ms an answer", None, "features at hand"
        ),
    }


def _abstention(people: Crowd, population: Population, seed: int) -> dict[str, Figure]:
    predictions = _predictions(people, population)
    users = np.unique(predictions.user)
    found: dict[float, list[tuple[float, float, float]]] = {each: [] for each in ERRORS}
    for division in range(DIVISIONS):
        chosen = np.random.default_rng([seed, division]).permutation(users)[: len(users) // 2]
        fitting = np.isin(predictions.user, chosen)
        calibration = fit_calibration(predictions.take(fitting))
        if calibration is not None:
            for error in ERRORS:
                found[error].append(_observed(calibration, predictions.take(~fitting), error))
    figures = {}
    for error, each in found.items():
        promised, observed, coverage = np.mean(each, 0).tolist()
        one = float(np.abs(np.subtract(*np.array(each)[:, :2].T)).mean())
        figures[f"abstention_{people.name}_{error:g}_apart"] = Figure(
            abs(promised - observed),
            "share of answers",
            0.02,
            f"promised {promised:.3f}, observed {observed:.3f}, {coverage:.2f} answered; "
            f"{one:.3f} apart in one division of {len(users)} people",
        )
    return figures


def _predictions(people: Crowd, population: Population) -> Predictions:
    unseen = np.setdiff1d(np.arange(len(people.rows)), people.fit)
    data = people.features.preferences(people.rows.take(unseen))
    enough = np.flatnonzero(np.bincount(data.user) > ANSWERS)
    return held_out_predictions(Hierarchical(), population, data, enough)


def _observed(
    calibration: Calibration, asked: Predictions, error: float
) -> tuple[float, float, float]:
    """Return promised and observed error of what is answered, and the share that is."""
    promised = wrong = given = 0.0
    for count in np.unique(asked.count).tolist():
        margin = asked.margin[asked.count == count]
        band = calibration.band(count)
        rule = band.rule(error)
        sure = 0.5 + 0.5 * np.tanh(0.5 * band.factor * np.abs(margin))
        answered = sure >= rule.threshold
        given += answered.sum()
        promised += rule.promised * answered.sum()
        wrong += np.where(margin == 0.0, 0.5, margin < 0.0)[answered].sum()
    return promised / max(given, 1), wrong / max(given, 1), given / len(asked.margin)

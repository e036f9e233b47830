"""How near a population that a user was taken out of is to one that never saw the user."""

from __future__ import annotations

from unittest import mock

import numpy as np
from report import Figure

from persona_bradley_terry import BradleyTerry
from persona_engine.testing import plant
from persona_engine.types import Evidence, FloatArray, Population, PreferenceData
from persona_hierarchical import Hierarchical, training
from persona_hierarchical.few_shot import Scales
from persona_hierarchical.selection import Choice

Model = BradleyTerry | Hierarchical


def influence(*, quick: bool, seed: int) -> dict[str, Figure]:
    """Return, for both models, what of users' influence is left after the Newton step.

    Compared are probabilities of unseen pairs for a stranger and for unseen people after eight
    answers: root mean square over all. The refit has the settings that were chosen with the users,
    so that it differs by their data alone; what settings chosen anew add is told too.
    """
    people, asked = (40, 2) if quick else (120, 8)
    planted = plant(seed=seed + 1, shared=0.8, personal=1.2, users=people, rows=12, width=12)
    figures: dict[str, Figure] = {}
    for model in (BradleyTerry(), Hierarchical()):
        everybody = model.fit(planted.data, rng=np.random.default_rng(seed))
        known = [each.take(np.arange(8)) for each in planted.support[:8]]
        base = _predictions(model, everybody, known)
        moved, left, chosen = [], [], []
        for user in planted.data.users[:asked]:
            rest = planted.data.take(planted.data.user != user)
            never = _predictions(model, _refitted(model, everybody, rest, seed), known)
            anew = _predictions(model, model.fit(rest, rng=np.random.default_rng(seed)), known)
            corrected = model.unlearn(everybody, planted.data.evidence(int(user)))
            assert corrected is not None
            found = _predictions(model, corrected, known)
            moved.append(_distance(base, never))
            left.append(_distance(found, never))
            chosen.append(_distance(anew, never))
        name = f"unlearn_{model.name}"
        figures[f"{name}_moved"] = Figure(float(np.mean(moved)), "probability")
        figures[f"{name}_left"] = Figure(
            float(np.mean(left)), "probability", 0.005, "a refit with the same settings"
        )
        figures[f"{name}_left_share"] = Figure(
            float(np.mean(left) / np.mean(moved)), "of the influence", None
        )
        figures[f"{name}_settings"] = Figure(
            float(np.mean(chosen)), "probability", None, "settings chosen anew, for comparison"
        )
    return figures


def _refitted(model: Model, everybody: Population, rest: PreferenceData, seed: int) -> Population:
    """Fit on those who are left, with the settings of the fit on all."""
    meta, rng = everybody.meta, np.random.default_rng(seed)
    if isinstance(model, BradleyTerry):
        same = (meta["ridge"], np.zeros(1))
        with mock.patch("persona_bradley_terry.reward_model.choose_ridge", return_value=same):
            return model.fit(rest, rng=rng)
    ridge = meta["shared_ridge"]
    scales = Scales(meta["spread"], meta["shared"], meta["width"], meta["recall"])
    choice = Choice(meta["rank"], meta["ridge"], scales, 0.0, 0.0, np.zeros(0))
    with (
        mock.patch.object(training, "_choose", return_value=choice),
        mock.patch.object(training, "choose_ridge", return_value=(ridge, np.zeros(1))),
    ):
        return model.fit(rest, rng=rng)


def _predictions(model: Model, population: Population, people: list[Evidence]) -> FloatArray:
    rng = np.random.default_rng(9)
    a, b = rng.normal(size=(2, 200, people[0].width)).astype(np.float32)
    everybody = [Evidence.empty(people[0].width), *people]
    posteriors = model.infer_many(population, everybody)
    return np.array([model.logit(population, each, a, b).probability() for each in posteriors])


def _distance(left: FloatArray, right: FloatArray) -> float:
    return float(np.sqrt(np.square(left - right).mean()))

"""Preferences that go round in circles: who predicts them for replies never seen."""

from __future__ import annotations

import numpy as np
from report import Figure, say

from persona_engine.interfaces import RewardModel
from persona_engine.plugins import discover
from persona_engine.types import Evidence, PreferenceData

KINDS = (3, 4, 5)
WIDTH = 32
NOISE = 0.3
USERS = 50


def compare(kinds: int, *, rows: int, seed: int, places: int) -> PreferenceData:
    """Return comparisons of replies of which each kind beats the next, and the last the first.

    Args:
        kinds: How many there are.
        rows: Comparisons.
        seed: Draws which are compared, and the noise of their features.
        places: Draws where the kinds lie among the features.
    """
    centres = np.linalg.qr(np.random.default_rng(places).normal(size=(WIDTH, WIDTH)))[0][:kinds]
    rng = np.random.default_rng(seed)
    kind = rng.integers(kinds, size=rows)
    noise = NOISE / np.sqrt(WIDTH) * rng.normal(size=(2, rows, WIDTH))
    chosen, rejected = centres[kind] + noise[0], centres[(kind + 1) % kinds] + noise[1]
    return PreferenceData(
        chosen.astype(np.float32), rejected.astype(np.float32), np.arange(rows) % USERS, "planted"
    )


def accuracy(model: RewardModel, train: PreferenceData, test: PreferenceData, seed: int) -> float:
    """Return the share of unseen comparisons that a stranger's posterior predicts."""
    population = model.fit(train, rng=np.random.default_rng(seed))
    stranger = model.infer(population, Evidence.empty(train.width))
    found = model.logit(population, stranger, test.chosen, test.rejected)
    return float((found.mean > 0).mean())


def cyclic_figures(*, seed: int, quick: bool) -> dict[str, Figure]:
    """Return the accuracy of ``gpm`` and of Bradley–Terry, the least and the mean over circles."""
    plugins, rows = discover(), 300 if quick else 3000
    found: dict[str, list[float]] = {"gpm": [], "bradley_terry": []}
    for kinds in KINDS[:1] if quick else KINDS:
        train, test = (
            compare(kinds, rows=rows, seed=each, places=seed) for each in (2 * seed, 2 * seed + 1)
        )
        for name, values in found.items():
            values.append(accuracy(plugins.create("reward_model", name), train, test, seed))
        say(f"circles of {kinds}: {', '.join(f'{n} {v[-1]:.3f}' for n, v in found.items())}")
    return {
        "gpm_cyclic_accuracy": Figure(
            min(found["gpm"]), "share", 0.95, "least over circles of 3, 4 and 5", sense="at least"
        ),
        "bradley_terry_cyclic_accuracy": Figure(
            float(np.mean(found["bradley_terry"])), "share", None, "chance is 0.5"
        ),
    }

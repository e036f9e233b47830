"""First values of the networks."""

from __future__ import annotations

import numpy as np

from persona_engine.types import FloatArray
from persona_vpl.settings import Settings

_LOUD_MEAN = 4.0
"""Factor on the latent mean's weights: from the first step the latent says more than its noise."""

_SURE = 2.0
"""Added to the pairs' log-precisions for the same reason: a silent latent is soon ignored."""

_QUIET = 0.1
"""Factor on the last layers of reward and flows: training starts near the pooled reward."""


def first_values(width: int, settings: Settings, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Return random weights and biases, uniform within ``1/√(inputs)``, by name.

    Args:
        width: Number of principal axes, ``R``.
        settings: Widths of the layers, and which of them there are.
        rng: Draws the values.
    """
    values: dict[str, FloatArray] = {}
    for layer, (inputs, outputs) in _layers(width, settings).items():
        bound = inputs**-0.5
        values[f"{layer}.weight"] = _uniform(rng, bound, (inputs, outputs))
        values[f"{layer}.bias"] = _uniform(rng, bound, (outputs,))
    values["reward.2.weight"] *= np.float32(_QUIET)
    if settings.aggregation == "product":
        values["latent.mean.weight"] *= np.float32(_LOUD_MEAN)
        values["latent.spread.bias"] += np.float32(_SURE)
    for number in range(settings.flows):
        values |= _flow(number, settings.latent, rng)
    return values


def _layers(width: int, settings: Settings) -> dict[str, tuple[int, int]]:
    latent, hidden = settings.latent, settings.hidden
    layers = {
        "pair.0": (2 * width, hidden),
        "pair.1": (hidden, hidden),
        "pair.2": (hidden, latent),
        "attention.q": (latent, latent),
        "attention.k": (latent, latent),
        "attention.v": (latent, latent),
        "latent.mean": (latent, latent),
        "latent.spread": (latent, latent),
        "reward.0": (width + latent, hidden),
        "reward.1": (hidden, hidden),
        "reward.2": (hidden, 1),
    }
    if settings.decoder == "modulated":
        layers |= {"film.scale": (latent, hidden), "film.shift": (latent, hidden)}
    return layers


def _flow(number: int, latent: int, rng: np.random.Generator) -> dict[str, FloatArray]:
    bound, values = latent**-0.5, {}
    for part in ("shift", "scale"):
        name = f"flow.{number}.{part}"
        values[f"{name}.in"] = _uniform(rng, bound, (latent, 2 * latent))
        values[f"{name}.condition"] = _uniform(rng, bound, (latent, 2 * latent))
        values[f"{name}.out"] = _uniform(rng, _QUIET * bound, (2 * latent, latent))
    return values


def _uniform(rng: np.random.Generator, bound: float, shape: tuple[int, ...]) -> FloatArray:
    return rng.uniform(-bound, bound, shape).astype(np.float32)

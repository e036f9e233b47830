"""The projectors f and g_k: small networks, trained by torch, evaluated by numpy."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.floating]

_ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


def first_weights(
    name: str, widths: tuple[int, ...], rng: np.random.Generator, *, heads: int = 0
) -> dict[str, FloatArray]:
    """Return random weights of a network: ``{name}0_weight (in, out)``, ``{name}0_bias``, ….

    Args:
        name: What the arrays' names begin with.
        widths: Of the input, the hidden layers and the output.
        rng: Draws them, as He et al. 2015 (arXiv:1502.01852) scale them.
        heads: Networks beside one another, ``(heads, in, out)`` each; 0 for a single one.
    """
    lead = (heads,) if heads else ()
    result: dict[str, FloatArray] = {}
    for place, (into, out) in enumerate(pairwise(widths)):
        gain = np.sqrt((2.0 if place < len(widths) - 2 else 1.0) / into)
        weight = gain * rng.normal(size=(*lead, into, out))
        result[f"{name}{place}_weight"] = weight.astype(np.float32)
        result[f"{name}{place}_bias"] = np.zeros((*lead, 1, out), np.float32)
    return result


def network(arrays: Mapping[str, NDArray[Any]], name: str, x: Floats) -> Floats:
    """Return the network's output of ``x (n, in)``: ``(n, out)``, or ``(heads, n, out)``."""
    place = 0
    while f"{name}{place}_weight" in arrays:
        x = x if place == 0 else gelu(x)
        x = x @ arrays[f"{name}{place}_weight"] + arrays[f"{name}{place}_bias"]
        place += 1
    return x


def network_in_torch(tensors: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    """Return what `network` does, as a tensor that can be differentiated."""
    import torch

    place = 0
    while f"{name}{place}_weight" in tensors:
        x = x if place == 0 else torch.nn.functional.gelu(x)
        x = x @ tensors[f"{name}{place}_weight"] + tensors[f"{name}{place}_bias"]
        place += 1
    return x


def gelu(x: Floats) -> Floats:
    """Return ``x Φ(x)`` (Hendrycks & Gimpel 2016, arXiv:1606.08415).

    Φ by Abramowitz & Stegun (1964) 7.1.26, right to 1.5e-7.

    Examples:
        >>> gelu(np.array([-1.0, 0.0, 2.0])).round(5).tolist()
        [-0.15866, 0.0, 1.9545]
    """
    size = np.abs(x) * np.sqrt(0.5)
    t = 1.0 / (1.0 + 0.3275911 * size)
    series = t * np.polyval(_ERF, t)
    erf = np.copysign(1.0 - series * np.exp(-np.square(size)), x)
    result: Floats = 0.5 * x * (1.0 + erf)
    return result

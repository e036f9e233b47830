"""The networks of variational preference learning, written once for numpy and torch arrays.

Training differentiates these functions on torch tensors, inference runs the same ones on numpy
arrays: `library_of` finds the module whose functions an array understands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from persona_engine.types import FloatArray

Array = Any  # a numpy array or a torch tensor: the code is the same
Library = Any  # the module numpy or torch
Parameters = Mapping[str, Array]

SLOPE = 0.2
"""Slope of the leaky rectifiers below zero."""

_HARDLY = 1e-30  # lets nothing be attended to without dividing by zero


def library_of(array: Array) -> Library:
    """Return numpy for numpy arrays, torch for tensors."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def linear(parameters: Parameters, layer: str, x: Array) -> Array:
    """Return ``x W + b``."""
    return x @ parameters[f"{layer}.weight"] + parameters[f"{layer}.bias"]


def rectified(x: Array) -> Array:
    """Return the leaky rectifier of ``x`` (slope 0.2)."""
    return library_of(x).maximum(x, SLOPE * x)


def softplus(x: Array) -> Array:
    """Return ``log(1 + exp(x))`` without overflow."""
    library = library_of(x)
    return library.maximum(x, 0.0 * x) + library.log1p(library.exp(-library.abs(x)))


def encode_pairs(parameters: Parameters, chosen: Array, rejected: Array) -> Array:
    """Return an embedding of each comparison, ``(..., R)`` twice to ``(..., k)``.

    A perceptron of two hidden layers reads ``[chosen; rejected]``.
    """
    hidden = rectified(_joint(parameters, "pair.0", chosen, rejected))
    return linear(parameters, "pair.2", rectified(linear(parameters, "pair.1", hidden)))


def attend(parameters: Parameters, pairs: Array, weight: Array) -> Array:
    """Return what each comparison learns from all of them, ``(..., n, k)``.

    ``softmax(q kᵀ / √k + log weight) v``: a comparison of weight 2 counts as two, one of weight 0
    is not there.
    """
    if pairs.shape[-2] == 0:
        return pairs
    library = library_of(pairs)
    query, key, value = (linear(parameters, f"attention.{name}", pairs) for name in "qkv")
    scores = query @ library.swapaxes(key, -1, -2) / pairs.shape[-1] ** 0.5  # (..., n, n)
    there = weight[..., None, :] > 0
    scores = library.where(there, scores, -1e30 + 0.0 * scores)
    shares = weight[..., None, :] * library.exp(scores - library.amax(scores, -1)[..., None])
    return (shares @ value) / (shares.sum(-1)[..., None] + _HARDLY)


def mean_gaussian(parameters: Parameters, attended: Array, weight: Array) -> tuple[Array, Array]:
    """Return mean and log-variance ``(..., k)`` from the mean over the context, as published.

    Both are linear in it and clamped to [-1, 1]; without evidence they are 0: the standard prior.
    """
    library = library_of(attended)
    total = weight.sum(-1)[..., None]
    pooled = (weight[..., None] * attended).sum(-2) / (total + _HARDLY)
    known = 1.0 * (total > 0)
    mean, log_variance = (
        known * library.clip(linear(parameters, f"latent.{name}", pooled), -1.0, 1.0)
        for name in ("mean", "spread")
    )
    return mean, log_variance


def product_gaussian(
    parameters: Parameters, pairs: Array, attended: Array, weight: Array
) -> tuple[Array, Array]:
    """Return mean and log-variance ``(..., k)`` of the standard prior times one Gaussian a pair.

    Each comparison adds its own precision to the prior's 1, so that the spread only shrinks and
    many comparisons say more than one.
    """
    library = library_of(pairs)
    precision = weight[..., None] * softplus(linear(parameters, "latent.spread", pairs))
    total = 1.0 + precision.sum(-2)
    mean = (precision * linear(parameters, "latent.mean", attended)).sum(-2) / total
    return mean, -library.log(total)


def reward(parameters: Parameters, x: Array, z: Array) -> Array:
    """Return rewards ``(...)`` of responses ``x (..., R)`` for latents ``z (..., k)``.

    A perceptron of two hidden layers reads ``[x; z]``. Where parameters hold a modulation, ``z``
    also scales and shifts the last hidden layer (FiLM: Perez et al. 2018, arXiv:1709.07871).
    """
    library = library_of(x)
    hidden = rectified(_joint(parameters, "reward.0", x, z))
    hidden = rectified(linear(parameters, "reward.1", hidden))
    if "film.scale.weight" in parameters:
        scale = library.tanh(linear(parameters, "film.scale", z))
        shift = library.tanh(linear(parameters, "film.shift", z))
        hidden = rectified((1.0 + scale) * hidden + shift)
    return linear(parameters, "reward.2", hidden)[..., 0]


def flow(parameters: Parameters, z: Array, pulls: Array, commons: Array) -> tuple[Array, Array]:
    """Return ``z (..., k)`` after the inverse autoregressive flows, and their log-determinant.

    ``z' = m(z, d) + exp(s(z, c) / 2) ∘ z`` where ``m`` and ``s`` of a unit read only the units
    before it (after it, in every other flow), ``d`` is the part of the context that turns round
    when its labels are swapped, and ``c`` the part that stays (both ``(..., k)``). Without flows
    ``z`` is returned as it is.
    """
    library = library_of(z)
    moved, log_determinant = z, 0.0 * z.sum(-1)
    number = 0
    while f"flow.{number}.shift.in" in parameters:
        shift = _autoregressive(parameters, f"flow.{number}.shift", moved, pulls, number)
        log_scale = _autoregressive(parameters, f"flow.{number}.scale", moved, commons, number)
        shift, log_scale = library.clip(shift, -1.0, 1.0), library.clip(log_scale, -2.0, 2.0)
        moved = shift + library.exp(0.5 * log_scale) * moved
        log_determinant = log_determinant + 0.5 * log_scale.sum(-1)
        number += 1
    return moved, log_determinant


def _autoregressive(
    parameters: Parameters, name: str, z: Array, condition: Array, number: int
) -> Array:
    """Return ``(..., k)`` of which unit ``i`` reads the units before (or after) ``i`` only.

    Masked layers as in MADE (Germain et al. 2015, arXiv:1502.03509), without biases: the shift is
    odd but for the rectifier.
    """
    into, out = parameters[f"{name}.in"], parameters[f"{name}.out"]
    strict, loose = _masks(z.shape[-1], into.shape[-1], number)
    if library_of(z) is not np:
        strict, loose = z.new_tensor(strict), z.new_tensor(loose)
    hidden = rectified(z @ (into * strict) + condition @ parameters[f"{name}.condition"])
    return hidden @ (out * loose)


def _masks(units: int, hidden: int, number: int) -> tuple[FloatArray, FloatArray]:
    order = np.arange(units) if number % 2 == 0 else np.arange(units)[::-1]
    degree = np.arange(hidden) % max(1, units - 1)  # a hidden unit reads orders up to its degree
    reads = order[:, None] <= degree[None, :]
    feeds = degree[:, None] < order[None, :]
    return reads.astype(np.float32), feeds.astype(np.float32)


def _joint(parameters: Parameters, layer: str, left: Array, right: Array) -> Array:
    """Return ``[left; right] W + b``; the two may broadcast against each other."""
    width, weight = left.shape[-1], parameters[f"{layer}.weight"]
    return left @ weight[:width] + right @ weight[width:] + parameters[f"{layer}.bias"]

"""A shared reward that is a smooth function of the response: a Gaussian process.

``r(x) ~ GP(0, exp(-‖P x - P y‖) / ridge)``: the covariance of Matérn 1/2 (Rasmussen & Williams
2006, "Gaussian processes for machine learning", chapter 4), as Simpson & Gurevych (2020, "Scalable
Bayesian preference learning for crowds") do. Responses that were compared often get the reward that
these comparisons say; others get that of their neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import (
    Differences,
    Doubles,
    minimise,
    pair_loss,
    residual,
    sigmoid,
)
from persona_engine.types import FloatArray, IntArray, PreferenceData
from persona_hierarchical.landmarks import Landmarks

MOST_RESPONSES = 3000
MOST_LANDMARKS = 1536

_AXES = 64  # leading axes in which distances are measured
_REACH = 2.0  # length scale in units of the median distance
_JITTER = 1e-4
_RECURRENCE = 2.0  # comparisons a response; fewer say too little about single responses


@dataclass(frozen=True, slots=True, eq=False)
class Recurring:
    """Comparisons of responses that recur, by the places of these among the distinct ones.

    Args:
        landmarks: The map of responses.
        whiten: ``(m, m)`` turns nearness into independent standard coordinates.
        coordinates: ``(I, m)`` of the distinct responses.
        nearness: ``(I, m)`` of the same.
        chosen: ``(N,)`` which response was preferred.
        rejected: ``(N,)`` which was not.
    """

    landmarks: Landmarks
    whiten: Doubles
    coordinates: Doubles
    nearness: FloatArray
    chosen: IntArray
    rejected: IntArray

    def difference(self, reward: Doubles) -> Doubles:
        """Return the logits ``(N,)`` of rewards ``(I,)``."""
        result: Doubles = reward[self.chosen] - reward[self.rejected]
        return result

    def gathered(self, pull: NDArray[np.floating]) -> Doubles:
        """Return each response's ``pull (N,)``: where chosen less where rejected, ``(I,)``."""
        count = len(self.coordinates)
        result: Doubles = np.bincount(self.chosen, pull, count).astype(np.float64)
        result -= np.bincount(self.rejected, pull, count)
        return result


def recurring(data: PreferenceData, differences: Differences) -> Recurring | None:
    """Return the comparisons by their responses, None where too few responses recur."""
    first, place = _distinct(data)
    count = len(first)
    if count > MOST_RESPONSES or len(data) < _RECURRENCE * count:
        return None
    sides = place[: len(data)], place[len(data) :]
    rows = np.where(first < len(data), first, first - len(data))
    responses = np.where((first < len(data))[:, None], data.chosen[rows], data.rejected[rows])
    often = np.argsort(-np.bincount(place, minlength=count), kind="stable")[:MOST_LANDMARKS]
    landmarks = _landmarks(differences, responses, often)
    nearness = landmarks.nearness(responses)
    values, vectors = np.linalg.eigh(nearness[often].astype(np.float64))
    whiten = vectors / np.sqrt(np.maximum(values, 0.0) + _JITTER)
    return Recurring(landmarks, whiten, nearness @ whiten, nearness, *sides)


def _landmarks(differences: Differences, responses: FloatArray, often: IntArray) -> Landmarks:
    axes = differences.axes[:, :_AXES].astype(np.float32)
    points: NDArray[np.floating] = (responses[often] - differences.centre) @ axes  # (m, P)
    square = np.square(points).sum(1)
    apart = np.maximum(square[:, None] + square - 2.0 * points @ points.T, 0.0)
    unit = np.float32(_REACH * max(float(np.sqrt(np.median(apart))), 1e-6))
    return Landmarks(differences.centre, axes / unit, (points / unit).astype(np.float32))


def _distinct(data: PreferenceData) -> tuple[IntArray, IntArray]:
    """Return where each distinct response stands first, and which one each side is, ``(2N,)``."""
    sides = (data.chosen, data.rejected)
    known: dict[bytes, int] = {}
    place = [known.setdefault(row.tobytes(), len(known)) for side in sides for row in side]
    _, first = np.unique(place, return_index=True)
    return first.astype(np.int64), np.array(place, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Smooth:
    """A fitted reward.

    Args:
        weights: ``(m,)`` of the coordinates.
        root: ``(m, m)`` a root of their covariance (Laplace).
    """

    weights: Doubles
    root: Doubles


def fit_weights(
    comparisons: Recurring,
    weight: FloatArray,
    target: FloatArray,
    ridge: float,
    *,
    start: Doubles | None = None,
) -> Doubles:
    """Return ``w (m,)`` that minimises ``Σ weight · pair_loss(w·Δ) + ridge/2 · |w|²``."""
    x = comparisons.coordinates
    moment = np.square(x).mean(0) - np.square(x.mean(0))
    curvature: Doubles = np.sqrt(0.5 * float(weight.sum(dtype=np.float64)) * moment + ridge)

    def objective(scaled: Doubles) -> tuple[float, Doubles]:
        w = scaled / curvature
        logits = comparisons.difference(x @ w)
        loss = float(weight @ pair_loss(logits, target)) + 0.5 * ridge * float(w @ w)
        pull = comparisons.gathered(weight * residual(logits, target))
        return loss, (ridge * w - pull @ x) / curvature

    begin = np.zeros(x.shape[1]) if start is None else start * curvature
    w: Doubles = minimise(objective, begin, iterations=150, tolerance=1e-6) / curvature
    return w


def with_spread(comparisons: Recurring, weight: FloatArray, w: Doubles, ridge: float) -> Smooth:
    """Return the reward with its covariance at the mode."""
    x = comparisons.coordinates
    p = sigmoid(comparisons.difference(x @ w))
    bend = weight * p * (1.0 - p)
    pairs = comparisons.chosen * len(x) + comparisons.rejected
    graph = -np.bincount(pairs, bend, len(x) ** 2).reshape(len(x), len(x))
    graph = graph + graph.T
    graph[np.diag_indices(len(x))] -= graph.sum(1)
    precision = x.T @ (graph @ x) + ridge * np.eye(x.shape[1])
    factor = np.linalg.cholesky(precision)
    return Smooth(w, np.linalg.solve(factor, np.eye(len(w))).T)

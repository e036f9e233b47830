"""Populations whose preferences are known, to see whether a reward model finds them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import Evidence, FloatArray, PreferenceData

FINGERPRINT = "planted/v1"


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """Comparisons made by users whose taste vectors are known.

    Args:
        data: Comparisons of the users to fit on; user numbers have gaps.
        tastes: Taste vectors of other users, ``(U, D)``, never fitted on.
        support: A few comparisons of each of those others.
        query: Further comparisons of each of those others, to predict.
    """

    data: PreferenceData
    tastes: FloatArray
    support: tuple[Evidence, ...]
    query: tuple[Evidence, ...]


def plant(
    *,
    seed: int,
    shared: float,
    personal: float,
    width: int = 8,
    users: int = 40,
    others: int = 24,
    rows: int = 20,
) -> Planted:
    """Return comparisons by users with tastes w_u = shared·w₀ + personal·B z_u.

    Each answer is drawn from the Bradley-Terry model, P(a preferred to b) = σ(w_u·(a - b))
    (Bradley & Terry 1952); w₀ and the two columns of B are orthonormal, z_u ~ N(0, I₂).

    Args:
        seed: Decides every draw.
        shared: How much all users agree.
        personal: How much they differ.
        width: Number of features, ``D``, at least 3.
        users: Users to fit on.
        others: Users to predict.
        rows: Comparisons of each user to fit on, and of each other user in support and in query.
    """
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(width, 3)))[0].T  # (3, D)
    latent = rng.normal(size=(users + others, 2))
    tastes = shared * axes[0] + personal * latent @ axes[1:]  # (U, D)
    answers = [_answer(taste, rows, rng) for taste in tastes[:users]]
    data = PreferenceData(
        chosen=np.concatenate([each.chosen for each in answers]),
        rejected=np.concatenate([each.rejected for each in answers]),
        user=np.repeat(np.arange(users, dtype=np.int64) * 3, rows),
        fingerprint=FINGERPRINT,
    )
    return Planted(
        data,
        tastes[users:].astype(np.float32),
        tuple(_answer(taste, rows, rng) for taste in tastes[users:]),
        tuple(_answer(taste, rows, rng) for taste in tastes[users:]),
    )


def _answer(taste: NDArray[np.float64], rows: int, rng: np.random.Generator) -> Evidence:
    a, b = rng.normal(size=(2, rows, len(taste))).astype(np.float32)  # (n, D)
    first = rng.random(rows) < 1.0 / (1.0 + np.exp(-(a - b) @ taste))
    keep = first[:, None]
    return Evidence(np.where(keep, a, b), np.where(keep, b, a))

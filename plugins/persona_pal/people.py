"""Users of a learned preference space: how their weights turn into logits, and their prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import (
    Doubles,
    softmax,
)
from persona_engine.modelling.gauss_newton import (
    Answers,
    LatentPrior,
    LogitsOf,
    fit_prior,
    rows_of_users,
)
from persona_engine.modelling.table import Table
from persona_pal.geometry import Metric, Places, by_logits, places_of, reward
from persona_pal.network import network

_MOST = 32


@dataclass(frozen=True, slots=True)
class Space:
    """A learned preference space.

    Args:
        metric: Distance or angle.
        arrays: Projectors and prototypes.
        scale: Logits per unit of distance, or of cosine.
    """

    metric: Metric
    arrays: Mapping[str, NDArray[Any]]
    scale: float

    def logits_of(self, chosen: Places, rejected: Places) -> LogitsOf:
        """Return the logits of pairs ``(U, n)`` as a function of softmax logits ``(U, K)``."""

        def logits(v: Doubles) -> tuple[Doubles, Doubles]:
            w = softmax(v)[:, None]  # (U, 1, K)
            (better, up), (worse, down) = (
                reward(self.metric, self.scale, each, w) for each in (chosen, rejected)
            )
            return better - worse, by_logits(up - down, w)

        return logits


def contrasts(k: int) -> LatentPrior:
    """Return ``v ~ N(0, I)`` without the direction that softmax ignores."""
    basis = np.linalg.qr(np.column_stack([np.ones(k), np.eye(k)]))[0][:, 1:k]
    return LatentPrior(np.zeros(k), basis)


class Voters:
    """Some users' comparisons in a preference space.

    Args:
        space: Where they are.
        table: The comparisons; users numbered without gaps.
        most: Comparisons of each user that are looked at.
    """

    def __init__(self, space: Space, table: Table, *, most: int) -> None:
        self.rows, self.present = rows_of_users(table.user, most=most)  # (U, n)
        used, place = np.unique(
            np.concatenate([table.chosen[self.rows], table.rejected[self.rows]]),
            return_inverse=True,
        )
        place = place.reshape(2, *self.rows.shape)
        x = network(space.arrays, "f", table.responses[used])
        if table.prompt is None:
            every = places_of(x, space.arrays["prototypes"])
            self.chosen, self.rejected = (
                Places(every.square[each], every.inner[each], every.gram) for each in place
            )
        else:
            flat = self.rows.ravel()
            heads = network(space.arrays, "g", table.prompt[flat]).transpose(1, 0, 2)  # (Un, K, d)
            self.chosen, self.rejected = (
                _shaped(places_of(x[each.ravel()], heads), self.rows.shape) for each in place
            )
        self.weight = self.present * table.weight[self.rows]
        self.target = table.target[self.rows].astype(np.float64)
        self.space = space

    def answers(self, begin: int, end: int) -> Answers:
        """Return the comparisons ``begin … end`` of each user."""
        cut = slice(begin, end)
        logits_of = self.space.logits_of(_cut(self.chosen, cut), _cut(self.rejected, cut))
        return Answers(logits_of, self.weight[:, cut], self.target[:, cut])


def prior_of(voters: Voters, start: LatentPrior, *, rounds: int) -> LatentPrior:
    """Return the prior under which the users' answers are likeliest."""
    return fit_prior(voters.answers(0, _MOST), start, rounds=rounds)[0]


def _shaped(places: Places, shape: tuple[int, ...]) -> Places:
    k = places.inner.shape[-1]
    return Places(
        places.square.reshape(shape),
        places.inner.reshape(*shape, k),
        places.gram.reshape(*shape, k, k),
    )


def _cut(places: Places, cut: slice) -> Places:
    gram = places.gram if places.gram.ndim == 2 else places.gram[:, cut]
    return Places(places.square[:, cut], places.inner[:, cut], gram)

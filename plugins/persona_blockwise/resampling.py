"""Which branches go on: the best few, or a draw in proportion to what they promise."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.intp]
Values = NDArray[np.float64]


class Choice(Protocol):
    """Decides at each block which of the open branches stand where."""

    def choose(self, promise: Values, open_: Places) -> Places:
        """Return, for each of the open places, the branch that goes on there.

        Args:
            promise: What is climbed, of every branch, ``(B,)``.
            open_: Branches that grow and may give way, ``(n,)``.
        """


class KeepBest:
    """The K best go on, each as often as the others, up to one; they keep their own places.

    Args:
        keep: How many, K.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep

    def choose(self, promise: Values, open_: Places) -> Places:
        """Return the best branch of the open ones at each place; see `Choice.choose`.

        Examples:
            >>> KeepBest(2).choose(np.array([9.0, 0.1, 0.9, 0.5]), np.array([1, 2, 3]))
            array([2, 2, 3])
        """
        ranked = open_[np.argsort(-promise[open_], kind="stable")][: self._keep]
        heirs = np.resize(ranked, len(open_))
        return _in_their_own_places(heirs, open_)


class Resample:
    """Sequential Monte Carlo towards p(y) · exp(r(y) / τ), by systematic resampling.

    A branch's weight is what its reward has grown by since it was last drawn. Nothing is drawn
    while the effective sample size 1 / Σ w² is at least a share of n, so that diversity lives on.

    Args:
        branches: How many there are in all, B.
        temperature: τ.
        below: Share of n that the effective sample size must fall below.
        rng: Decides the draws.
    """

    def __init__(
        self, branches: int, *, temperature: float, below: float, rng: np.random.Generator
    ) -> None:
        self._paid = np.zeros(branches)  # what each branch was drawn for already
        self._temperature = temperature
        self._below = below
        self._rng = rng

    def choose(self, promise: Values, open_: Places) -> Places:
        """Return who goes on at each place; see `Choice.choose`."""
        value = promise / self._temperature
        weights = np.exp(_centred((value - self._paid)[open_]))
        weights /= weights.sum()
        if 1.0 / np.square(weights).sum() >= self._below * len(open_):
            return open_
        heirs = open_[systematic(weights, self._rng)]
        places = _in_their_own_places(heirs, open_)
        self._paid[open_] = value[places]
        return places


def systematic(weights: Values, rng: np.random.Generator) -> Places:
    """Return ``n`` draws from ``n`` weights that sum to 1, each within 1 of its expected count.

    Examples:
        >>> systematic(np.array([0.5, 0.25, 0.25, 0.0]), np.random.default_rng(0)).tolist()
        [0, 0, 1, 2]
    """
    points = (rng.random() + np.arange(len(weights))) / len(weights)
    found: Places = np.searchsorted(np.cumsum(weights), points, side="right")
    return np.minimum(found, len(weights) - 1)


def _in_their_own_places(heirs: Places, open_: Places) -> Places:
    """Return the same heirs, those that are at home in one of the places there."""
    at_home = np.isin(open_, heirs)
    places = open_.copy()
    left = list(heirs)
    for branch in open_[at_home]:
        left.remove(branch)
    places[~at_home] = left
    return places


def _centred(values: Values) -> Values:
    shifted: Values = values - values.max()
    return shifted

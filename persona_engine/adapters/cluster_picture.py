"""A picture of users and their clusters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.evaluation.pictures import axes_of
from persona_engine.types import Beliefs, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_DRAWN = 5_000
_FAINTEST = 0.15
_WITHIN = 2.0  # standard deviations that an ellipse holds

Doubles = NDArray[np.float64]


def draw_clusters(
    path: Path, beliefs: Beliefs, membership: FloatArray, names: tuple[str, ...]
) -> None:
    """Draw users where they are believed to stand, in the two directions in which they differ most.

    A user has the colour of the likeliest cluster, the fainter the less sure; an ellipse holds two
    standard deviations of a cluster's members, weighted by membership. Of very many users some are
    drawn.

    Args:
        path: PNG to write.
        beliefs: About the users.
        membership: ``(U, K)``.
        names: The clusters'.

    Raises:
        MissingExtraError: Matplotlib is not installed.
        InvalidInputError: There is nobody to draw, or the folder cannot be written.
    """
    if not len(beliefs):
        raise InvalidInputError("there are no users to draw, expected at least one")
    place = leading_plane(beliefs.mean)
    with axes_of(path) as axes:
        for number, name in enumerate(names):
            _draw(axes, place, membership, number, name)
        axes.set(xlabel="direction 1 of taste", ylabel="direction 2 of taste")
        axes.set_title(f"{len(beliefs):,} users, {len(names)} clusters")
        axes.legend(fontsize="small")


def leading_plane(mean: FloatArray) -> Doubles:
    """Return users' places ``(U, 2)`` in the two leading directions of their means."""
    off = mean.astype(np.float64) - mean.mean(0, dtype=np.float64)
    vectors = np.linalg.svd(off.T @ off)[0][:, :2]  # (k, 2)
    largest = np.abs(vectors).argmax(0)
    vectors = vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])] + 1e-300)
    plane: Doubles = off @ vectors
    if plane.shape[1] < 2:
        plane = np.concatenate([plane, np.zeros((len(plane), 2 - plane.shape[1]))], 1)
    return plane


def ellipse(place: Doubles, weight: FloatArray) -> tuple[Doubles, float, float, float]:
    """Return centre ``(2,)``, width, height and angle in degrees of two standard deviations."""
    share = weight.astype(np.float64) / max(float(weight.sum(dtype=np.float64)), 1e-12)
    centre: Doubles = share @ place
    off = place - centre
    values, vectors = np.linalg.eigh((share[:, None] * off).T @ off)
    width, height = 2.0 * _WITHIN * np.sqrt(np.maximum(values[::-1], 1e-12))
    angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
    return centre, float(width), float(height), angle


def _draw(axes: Axes, place: Doubles, membership: FloatArray, number: int, name: str) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Ellipse

    colour = to_rgb(f"C{number % 10}")
    own = np.flatnonzero(membership.argmax(1) == number)
    shown = own[:: max(1, -(-len(own) // _MOST_DRAWN))]
    sureness = np.clip(membership[shown, number], _FAINTEST, 1.0)
    shades = np.column_stack([np.tile(colour, (len(shown), 1)), sureness])
    axes.scatter(place[shown, 0], place[shown, 1], c=shades, s=14, linewidths=0)
    axes.plot([], [], "o", color=colour, label=f"{name} ({len(own):,})")
    centre, width, height, angle = ellipse(place, membership[:, number])
    axes.add_patch(
        Ellipse(
            (float(centre[0]), float(centre[1])),
            width,
            height,
            angle=angle,
            fill=False,
            edgecolor=colour,
        )
    )

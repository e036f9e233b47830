"""Comparisons by the places of their responses among the distinct ones, as training reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from persona_engine.modelling.differences import principal_differences
from persona_engine.types import FloatArray, IntArray, PreferenceData


@dataclass(frozen=True, slots=True)
class Table:
    """Comparisons by the places of their responses among the distinct ones.

    Args:
        responses: ``(I, R)`` distinct responses, in the axes of `Inputs`.
        chosen: ``(N,)`` which one was preferred.
        rejected: ``(N,)`` which one was not.
        user: ``(N,)`` users, numbered without gaps.
        weight: ``(N,)`` strengths.
        target: ``(N,)`` shares of the preferences that go to the chosen responses.
        prompt: ``(N, P)`` standardised features of the prompts, or None.
    """

    responses: FloatArray
    chosen: IntArray
    rejected: IntArray
    user: IntArray
    weight: FloatArray
    target: FloatArray
    prompt: FloatArray | None

    @property
    def users(self) -> int:
        """Number of users, ``U``."""
        return int(self.user.max(initial=-1)) + 1

    def take(self, rows: IntArray) -> Table:
        """Return the chosen rows; users are numbered anew, responses stay."""
        _, user = np.unique(self.user[rows], return_inverse=True)
        prompt = None if self.prompt is None else self.prompt[rows]
        return Table(
            self.responses,
            *(self.chosen[rows], self.rejected[rows], user),
            *(self.weight[rows], self.target[rows]),
            prompt,
        )

    def split(self, share: float, rng: np.random.Generator) -> tuple[Table, Table]:
        """Return the comparisons of most users, and those of a share of users, at least one."""
        people = rng.permutation(self.users)[: max(1, round(share * self.users))]
        apart = np.isin(self.user, people)
        return self.take(np.flatnonzero(~apart)), self.take(np.flatnonzero(apart))


@dataclass(frozen=True, slots=True)
class Inputs:
    """How raw features become what a table holds.

    Args:
        axes: ``(D, R)`` principal axes of the standardised differences.
        centre: ``(D,)`` mean response.
        prompt_scale: ``(P,)`` factors on prompt features, or None where none are read.
        prompt_centre: ``(P,)`` mean prompt, or None.
    """

    axes: FloatArray
    centre: FloatArray
    prompt_scale: FloatArray | None
    prompt_centre: FloatArray | None

    def arrays(self) -> dict[str, FloatArray]:
        """Return what there is, by name, for a population."""
        everything = {
            "axes": self.axes,
            "centre": self.centre,
            "prompt_scale": self.prompt_scale,
            "prompt_centre": self.prompt_centre,
        }
        return {name: value for name, value in everything.items() if value is not None}


def table_of(data: PreferenceData, *, keep: float, prompts: bool) -> tuple[Table, Inputs]:
    """Return the comparisons by their distinct responses, and how features were brought there.

    Args:
        data: The comparisons; those of no weight are left out.
        keep: Share of the differences' second moment that the axes hold.
        prompts: Whether to read the prompts' features, where there are any. They are standardised
            and divided by ``√P``, so that a prompt has about unit length.

    Raises:
        InvalidInputError: No comparison has weight, or no two responses differ.
    """
    differences = principal_differences(data, keep=keep)
    data = data.take(data.weight > 0)
    responses, place = _distinct(np.concatenate([data.chosen, data.rejected]))
    axes = differences.axes.astype(np.float32)
    scale = centre = prompt = None
    if prompts and data.prompt is not None:
        centre = data.prompt.mean(0)
        deviation = data.prompt.std(0)
        scale = np.where(deviation > 1e-6, 1.0 / np.maximum(deviation, 1e-6), 0.0)
        scale = (scale / np.sqrt(len(scale))).astype(np.float32)
        prompt = (data.prompt - centre) * scale
    table = Table(
        responses=np.ascontiguousarray((responses - differences.centre) @ axes, np.float32),
        chosen=place[: len(data)],
        rejected=place[len(data) :],
        user=np.unique(data.user, return_inverse=True)[1],
        weight=np.ascontiguousarray(data.weight),
        target=np.ascontiguousarray(data.target),
        prompt=prompt,
    )
    return table, Inputs(axes, differences.centre, scale, centre)


def _distinct(features: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the distinct rows, in order of appearance, and the place of each row among them."""
    known: dict[bytes, int] = {}
    place = np.array([known.setdefault(row.tobytes(), len(known)) for row in features], np.int64)
    _, first = np.unique(place, return_index=True)
    return features[first], place

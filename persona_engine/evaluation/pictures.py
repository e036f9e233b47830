"""Pictures of results: few-shot curves and reliability diagrams, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from persona_engine.errors import MissingExtraError
from persona_engine.evaluation.files import replaced
from persona_engine.evaluation.report import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REMEDY = "pip install 'persona-engine[local]'"
_DASHES = ("-", "--", "-.", ":")


def draw_few_shot_curve(path: Path, rows: Sequence[Row]) -> None:
    """Draw accuracy against the number of comparisons, with standard errors over seeds.

    Raises:
        MissingExtraError: Matplotlib is not installed.
    """
    with axes_of(path) as axes:
        for number, method in enumerate(dict.fromkeys(row["method"] for row in rows)):
            mine = [r for r in rows if r["method"] == method and r["accuracy"] is not None]
            if not mine:
                continue
            axes.errorbar(
                [row["shots"] for row in mine],
                [row["accuracy"] for row in mine],
                yerr=[row["accuracy_se"] or 0.0 for row in mine],
                label=method,
                linestyle=_DASHES[number % len(_DASHES)],
                marker="o",
                markersize=3,
                capsize=2,
            )
        shots = sorted({row["shots"] for row in rows})
        axes.set_xscale("symlog", base=2, linthresh=1)
        axes.set_xticks(shots, labels=[str(each) for each in shots])
        axes.set(xlabel="comparisons of the person", ylabel="accuracy", title=_title(rows))
        axes.legend(fontsize="small")


def draw_reliability(path: Path, bins: Mapping[str, np.ndarray], title: str) -> None:
    """Draw observed against predicted preference.

    Args:
        path: PNG to write.
        bins: ``(10, 3)`` of each method, as `calibration_bins` gives them.
        title: Heading.

    Raises:
        MissingExtraError: Matplotlib is not installed.
    """
    with axes_of(path) as axes:
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        for number, (method, each) in enumerate(bins.items()):
            filled = each[each[:, 0] > 0]
            axes.plot(
                filled[:, 1] / filled[:, 0],
                filled[:, 2] / filled[:, 0],
                label=method,
                linestyle=_DASHES[number % len(_DASHES)],
                marker="o",
                markersize=3,
            )
        axes.set(xlabel="predicted probability", ylabel="observed share", title=title)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.legend(fontsize="small")


class axes_of:  # noqa: N801  # used as a function
    """Axes of a new figure, which is written to a file when the block ends without an error.

    Raises:
        MissingExtraError: Matplotlib is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise MissingExtraError("pictures need matplotlib", remedy=REMEDY) from error
        self._path = path
        self._figure = Figure(figsize=(7, 5), layout="constrained")

    def __enter__(self) -> Axes:
        """Return the axes."""
        return self._figure.add_subplot()

    def __exit__(self, kind: object, *_: object) -> None:
        """Write the picture."""
        if kind is None:
            with replaced(self._path) as file:
                self._figure.savefig(file, format="png", dpi=150)


def _title(rows: Sequence[Row]) -> str:
    first = rows[0]
    disjoint = f", {first['disjoint']}-disjoint" if first["disjoint"] else ""
    return f"{first['dataset']}{disjoint}"

"""The picture of judged reward against compute, one line for each decoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decoding_quality import Judged

_DASHES = ("-", "--", "-.", ":")


def draw(path: Path, judged: Mapping[str, Judged], families: Mapping[str, str]) -> None:
    """Write the picture.

    Args:
        path: PNG.
        judged: Figures by method.
        families: Decoder of each method that is drawn.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(0.0, color="0.7", linewidth=1)
    for number, family in enumerate(dict.fromkeys(families.values())):
        mine = sorted(
            (judged[name] for name, each in families.items() if each == family),
            key=lambda each: each.compute,
        )
        axes.errorbar(
            [each.compute for each in mine],
            [each.gain for each in mine],
            yerr=[each.gain_se for each in mine],
            label=family,
            linestyle=_DASHES[number % len(_DASHES)],
            marker="o",
            markersize=4,
            capsize=2,
        )
    axes.set_xscale("log", base=2)
    axes.set(
        xlabel="CPU time, of plain decoding",
        ylabel="judged reward gained, sd among plain samples",
        title="Reward against compute; people and judge held out",
    )
    axes.legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))

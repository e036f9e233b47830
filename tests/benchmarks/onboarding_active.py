"""Asking well: how many random questions tell as much as a few that were chosen.

Held-out synthetic people over the bank, and real people of a Polis conversation, whose votes are
their answers. Everybody is asked one question after the other, chosen by a criterion or drawn, and
after each their answers to other questions are predicted, which nobody may ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onboarding_asked import ASKED, RANDOM, Bank, Polis
from report import Figure, say

from persona_engine.evaluation.pictures import axes_of

SEEDS = 3
WAYS = ("bald", "d_optimal", "pref", RANDOM)
_PEOPLE = 240


def measure(
    folder: Path, *, quick: bool, seed: int, curve: Path | None = None
) -> dict[str, Figure]:
    """Return how many random questions it takes to know as much as after a few chosen ones."""
    seeds = range(seed, seed + (1 if quick else SEEDS))
    people = 16 if quick else _PEOPLE
    curves: dict[str, NDArray[np.float64]] = {}
    figures: dict[str, Figure] = {}
    worlds: dict[str, Callable[[str, int], NDArray[np.float64]]] = {
        "bank": Bank(people),
        "bank_single_style": Bank(people, blends=False),
    }
    if not quick:
        worlds["bank_unseen_questions"] = Bank(people, unseen=True)
    votes = folder / "polis_ssis.votes.jsonl.gz"
    if votes.is_file():
        most = 8 if quick else None
        worlds["polis_ssis"] = Polis(folder, most=most)
        worlds["polis_ssis_same_statements"] = replace(worlds["polis_ssis"], disjoint=False)
    else:
        say(f"no {votes}: set PERSONA_DATA; real votes are left out")
    for name, world in worlds.items():
        found = {way: np.array([world(way, each) for each in seeds]) for way in WAYS}
        figures.update(_figures(name, found, wanted=name in ("bank", "polis_ssis")))
        curves |= {f"{name}: {way}": found[way].mean(0) for way in ("bald", RANDOM)}
    if curve is not None:
        _draw(curve, curves)
    return figures


def _figures(
    name: str, found: Mapping[str, NDArray[np.float64]], *, wanted: bool
) -> dict[str, Figure]:
    """Return figures of the curves ``(seeds, 1 + answers)`` of each way to choose."""
    random = found[RANDOM].mean(0)
    figures = {}
    for way in WAYS[:-1]:
        reached = float(found[way].mean(0)[ASKED])
        needed = _needed(random, reached)
        each = ", ".join(
            f"{mine[ASKED]:.3f} against {other[2 * ASKED]:.3f}"
            for mine, other in zip(found[way], found[RANDOM], strict=True)
        )
        told = f"random after {2 * ASKED}: {random[2 * ASKED]:.4f}; by seed {each}"
        main = wanted and way == "bald"
        say(f"{name}: {way} after {ASKED} {reached:.4f}, as random after {needed:.1f}; {told}")
        figures[f"{name}_{way}_worth_random"] = Figure(
            round(needed, 1), "random questions", 2 * ASKED if main else None, told, "at least"
        )
        figures[f"{name}_{way}_accuracy"] = Figure(
            round(reached, 4),
            f"share after {ASKED}",
            round(float(random[2 * ASKED]), 4) if main else None,
            f"random after {ASKED}: {random[ASKED]:.4f}, before any {random[0]:.4f}",
            "at least",
        )
    return figures


def _needed(random: NDArray[np.float64], reached: float) -> float:
    """Return after how many random questions so much is known; the most where it is more."""
    above = np.flatnonzero(random >= reached)
    if not len(above):
        return float(len(random) - 1)
    place = int(above[0])
    if place == 0:
        return 0.0
    return place - 1 + float((reached - random[place - 1]) / (random[place] - random[place - 1]))


def _draw(path: Path, curves: Mapping[str, NDArray[np.float64]]) -> None:
    colours: dict[str, str] = {}
    with axes_of(path) as axes:
        for name, accuracy in curves.items():
            world, _, way = name.partition(": ")
            colour = colours.setdefault(world, f"C{len(colours)}")
            chosen = way != RANDOM
            axes.plot(
                *(np.arange(len(accuracy)), accuracy),
                color=colour,
                linestyle="-" if chosen else "--",
                marker="o" if chosen else None,
                label=f"{world}, {'chosen' if chosen else way}",
            )
        axes.axvline(ASKED, color="0.8", linewidth=1)
        axes.axvline(2 * ASKED, color="0.8", linewidth=1)
        axes.set(xlabel="questions answered", ylabel="share predicted rightly")
        axes.set_title("Chosen questions against random ones, people never seen")
        axes.legend(fontsize="x-small", loc="center right")

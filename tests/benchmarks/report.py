"""What every benchmark prints: figures with targets as one JSON object, or a table for people."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Args:
        value: What was measured.
        unit: Its unit.
        target: What the issue asks for, or None for a figure that is only told.
        baseline: What it is measured against, in the words or numbers that the reader needs.
        sense: Which side of the target is good.
    """

    value: Any
    unit: str
    target: Any = None
    baseline: Any = None
    sense: Literal["at most", "at least", "exactly"] = "at most"

    @property
    def holds(self) -> bool:
        """Whether the target is met; true without one."""
        if self.target is None:
            return True
        if self.sense == "exactly":
            return bool(self.value == self.target)
        if self.sense == "at least":
            return bool(self.value >= self.target)
        return bool(self.value <= self.target)


def arguments(description: str) -> argparse.ArgumentParser:
    """Return the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--quick", action="store_true", help="a smoke run; its figures say little")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def finish(figures: Mapping[str, Figure], *, seed: int, as_json: bool) -> None:
    """Print the figures on standard output."""
    if as_json:
        print(json.dumps(summary(figures, seed=seed), ensure_ascii=False))
        return
    for name, figure in figures.items():
        print(_line(name, figure))


def summary(figures: Mapping[str, Figure], *, seed: int) -> dict[str, Any]:
    """Return the object that the scripts' contract asks for."""
    return {
        "ok": all(figure.holds for figure in figures.values()),
        "figures": {
            name: {
                "value": figure.value,
                "target": figure.target,
                "unit": figure.unit,
                "baseline": figure.baseline,
            }
            for name, figure in figures.items()
        },
        "machine": machine(),
        "seed": seed,
    }


def machine() -> dict[str, Any]:
    """Say what the figures were taken on."""
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "load_average": [round(each, 2) for each in os.getloadavg()],
        "python": platform.python_version(),
    }


def say(message: str) -> None:
    """Tell how far the run is, on standard error."""
    print(message, file=sys.stderr, flush=True)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model n")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def _line(name: str, figure: Figure) -> str:
    value = f"{figure.value:.3g}" if isinstance(figure.value, float) else str(figure.value)
    target = ""
    if figure.target is not None:
        verdict = "holds" if figure.holds else "MISSED"
        target = f"   {figure.sense} {figure.target}: {verdict}"
    against = "" if figure.baseline is None else f"   against {figure.baseline}"
    return f"{name:32} {value:>10} {figure.unit}{target}{against}"

"""Adapters of user clusters: found, trained, judged, served; what they gain and what they cost.

    python tests/benchmarks/bench_adapters.py --json [--only clusters,quality] [--quick]

Parts that need something which is not there (the data of UKPConvArg1) say so and are passed over.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))  # before torch is loaded

from report import Figure, arguments, finish, say

Measure = Callable[..., dict[str, Figure]]
PARTS = ("clusters", "quality", "ukp", "noise", "mixed", "registry", "kills")
"""Each is the module of its name, with ``adapters_`` before it."""


def main() -> None:
    """Run and report."""
    options = arguments(__doc__ or "")
    options.add_argument("--only", help=f"parts, with commas, of {', '.join(PARTS)}")
    options.add_argument("--keep", type=Path, help="folder from which `quality` goes on")
    asked = options.parse_args()
    chosen = list(PARTS) if asked.only is None else asked.only.split(",")
    unknown = [each for each in chosen if each not in PARTS]
    if unknown:
        sys.exit(f"--only names {unknown[0]!r}, expected some of {', '.join(PARTS)}")
    folder = Path(os.environ.get("PERSONA_DATA", "../shared/data"))
    figures: dict[str, Figure] = {}
    for part in chosen:
        say(f"{part} …")
        measure: Measure = import_module(f"adapters_{part}").measure
        figures.update(measure(folder, quick=asked.quick, seed=asked.seed, **_further(part, asked)))
    finish(figures, seed=asked.seed, as_json=asked.json)


def _further(part: str, asked: argparse.Namespace) -> dict[str, object]:
    """Return the options that only one part has."""
    return {"keep": asked.keep} if part == "quality" else {}


if __name__ == "__main__":
    main()

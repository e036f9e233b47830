"""Adapters of user clusters: found, trained, judged, served; what they gain and what they cost.

    python tests/benchmarks/bench_adapters.py --json [--only clusters,quality] [--quick]

Parts that need something which is not there (the data of UKPConvArg1) say so and are passed over.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))  # before torch is loaded

from parts import options, run

PARTS = ("clusters", "layers", "quality", "ukp", "noise", "mixed", "registry", "kills")


def main() -> None:
    """Run and report."""
    told = options(__doc__ or "", PARTS)
    told.add_argument("--keep", type=Path, help="folder from which `quality` goes on")
    asked = told.parse_args()
    run("adapters", PARTS, asked, further=_further)


def _further(part: str, asked: argparse.Namespace) -> dict[str, object]:
    """Return the options that only one part has."""
    return {"keep": asked.keep} if part == "quality" else {}


if __name__ == "__main__":
    main()

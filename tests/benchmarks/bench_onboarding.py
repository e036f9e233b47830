"""Onboarding and online learning: what questions, updates and guards are worth.

    python tests/benchmarks/bench_onboarding.py --json [--only active] [--quick] [--curve FILE.png]

Parts that need data which are not in PERSONA_DATA say so and leave them out.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded

from parts import options, run

PARTS = ("active", "cold", "online", "reversal", "poison")


def main() -> None:
    """Run and report."""
    told = options(__doc__ or "", PARTS)
    told.add_argument("--curve", type=Path, help="PNG of accuracy by questions to write")
    asked = told.parse_args()
    run("onboarding", PARTS, asked, further=_further)


def _further(part: str, asked: argparse.Namespace) -> dict[str, object]:
    """Return the options that only one part has."""
    return {"curve": asked.curve} if part == "active" else {}


if __name__ == "__main__":
    main()

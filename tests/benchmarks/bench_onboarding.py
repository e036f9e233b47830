"""Onboarding and online learning: what questions, updates and guards are worth.

    python tests/benchmarks/bench_onboarding.py --json [--only active] [--quick] [--curve FILE.png]

Parts that need data which are not in PERSONA_DATA say so and leave them out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded

from report import Figure, arguments, finish, say

Measure = Callable[..., dict[str, Figure]]
PARTS: dict[str, str] = {
    "active": "onboarding_active",
    "cold": "onboarding_cold",
    "online": "onboarding_online",
    "reversal": "onboarding_reversal",
    "poison": "onboarding_poison",
}
"""By part, the module whose ``measure`` runs it."""


def main() -> None:
    """Run and report."""
    options = arguments(__doc__ or "")
    options.add_argument("--only", help=f"parts, with commas, of {', '.join(PARTS)}")
    options.add_argument("--curve", type=Path, help="PNG of accuracy by questions to write")
    asked = options.parse_args()
    there = [part for part, module in PARTS.items() if find_spec(module) is not None]
    chosen = there if asked.only is None else asked.only.split(",")
    unknown = [each for each in chosen if each not in there]
    if unknown:
        sys.exit(f"--only names {unknown[0]!r}, expected some of {', '.join(there)}")
    folder = Path(os.environ.get("PERSONA_DATA", "../shared/data"))
    figures: dict[str, Figure] = {}
    for part in chosen:
        say(f"{part} …")
        measure: Measure = import_module(PARTS[part]).measure
        further = {"curve": asked.curve} if part == "active" else {}
        figures.update(measure(folder, quick=asked.quick, seed=asked.seed, **further))
    finish(figures, seed=asked.seed, as_json=asked.json)


if __name__ == "__main__":
    main()

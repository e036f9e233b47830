"""Decoding: what it costs, what it gains, and whether its scores can be trusted.

    python tests/benchmarks/bench_decoding.py --json [--only cost,quality] [--quick]

Parts that need something which is not there (a checkout of ARGS, llama.cpp, IFEval's prompts) say
so and are passed over.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded

import decoding_cost
from report import Figure, arguments, finish, say

Measure = Callable[..., dict[str, Figure]]
PARTS: dict[str, Measure] = {
    "cost": decoding_cost.measure,
}


def main() -> None:
    """Run and report."""
    options = arguments(__doc__ or "")
    options.add_argument("--only", help=f"parts, with commas, of {', '.join(PARTS)}")
    options.add_argument("--args-checkout", type=Path, help="folder of the official ARGS code")
    options.add_argument("--curve", type=Path, help="PNG of judged reward against compute to write")
    asked = options.parse_args()
    chosen = list(PARTS) if asked.only is None else asked.only.split(",")
    unknown = [each for each in chosen if each not in PARTS]
    if unknown:
        sys.exit(f"--only names {unknown[0]!r}, expected some of {', '.join(PARTS)}")
    folder = Path(os.environ.get("PERSONA_DATA", "../shared/data"))
    figures: dict[str, Figure] = {}
    for part in chosen:
        say(f"{part} …")
        figures.update(PARTS[part](folder, quick=asked.quick, seed=asked.seed))
    finish(figures, seed=asked.seed, as_json=asked.json)


if __name__ == "__main__":
    main()

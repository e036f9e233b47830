"""Decoding: what it costs, what it gains, and whether its scores can be trusted.

    python tests/benchmarks/bench_decoding.py --json [--only cost,quality] [--quick]

Parts that need something which is not there (a checkout of ARGS, llama.cpp, IFEval's prompts) say
so and are passed over.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded

from parts import options, run

PARTS = ("cost", "agreement", "memory", "verifiers", "quality")


def main() -> None:
    """Run and report."""
    told = options(__doc__ or "", PARTS)
    told.add_argument("--args-checkout", type=Path, help="folder of the official ARGS code")
    told.add_argument("--curve", type=Path, help="PNG of judged reward against compute to write")
    told.add_argument("--gains", type=Path, help="JSON for decoding='auto' to write (quality)")
    told.add_argument("--prompts", type=int, help="how many, of the quality part; 64 if omitted")
    told.add_argument("--decoders", help="decoders, with commas, of the quality part")
    asked = told.parse_args()
    run("decoding", PARTS, asked, further=_further)


def _further(part: str, asked: argparse.Namespace) -> dict[str, object]:
    """Return the options that only one part has."""
    if part == "cost":
        return {"args_checkout": asked.args_checkout}
    if part == "quality":
        names = None if asked.decoders is None else asked.decoders.split(",")
        return {
            "curve": asked.curve,
            "gains": asked.gains,
            "methods": names,
            "prompts": asked.prompts,
        }
    return {}


if __name__ == "__main__":
    main()

"""Decoding: what it costs, what it gains, and whether its scores can be trusted.

    python tests/benchmarks/bench_decoding.py --json [--only cost,quality] [--quick]

Parts that need something which is not there (a checkout of ARGS, llama.cpp, IFEval's prompts) say
so and are passed over.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded

import decoding_agreement
import decoding_cost
import decoding_memory
import decoding_quality
import decoding_verifiers
from report import Figure, arguments, finish, say

Measure = Callable[..., dict[str, Figure]]
PARTS: dict[str, Measure] = {
    "cost": decoding_cost.measure,
    "agreement": decoding_agreement.measure,
    "memory": decoding_memory.measure,
    "verifiers": decoding_verifiers.measure,
    "quality": decoding_quality.measure,
}


def main() -> None:
    """Run and report."""
    options = arguments(__doc__ or "")
    options.add_argument("--only", help=f"parts, with commas, of {', '.join(PARTS)}")
    options.add_argument("--args-checkout", type=Path, help="folder of the official ARGS code")
    options.add_argument("--curve", type=Path, help="PNG of judged reward against compute to write")
    options.add_argument("--gains", type=Path, help="JSON for decoding='auto' to write (quality)")
    options.add_argument("--prompts", type=int, help="how many, of the quality part; 64 if omitted")
    options.add_argument("--decoders", help="decoders, with commas, of the quality part")
    asked = options.parse_args()
    chosen = list(PARTS) if asked.only is None else asked.only.split(",")
    unknown = [each for each in chosen if each not in PARTS]
    if unknown:
        sys.exit(f"--only names {unknown[0]!r}, expected some of {', '.join(PARTS)}")
    folder = Path(os.environ.get("PERSONA_DATA", "../shared/data"))
    figures: dict[str, Figure] = {}
    for part in chosen:
        say(f"{part} …")
        figures.update(
            PARTS[part](folder, quick=asked.quick, seed=asked.seed, **_further(part, asked))
        )
    finish(figures, seed=asked.seed, as_json=asked.json)


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

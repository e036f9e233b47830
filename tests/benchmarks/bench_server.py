"""The server: what a request costs, how it bears many users, long runs, and being killed.

    python tests/benchmarks/bench_server.py --json [--only overhead,kills] [--quick]

Servers and their clients are on this machine's loopback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))  # before numpy is loaded

from report import Figure, arguments, finish, say

Measure = Callable[..., dict[str, Figure]]
PARTS = ("overhead", "concurrent", "soak", "memory", "kills")
"""Each is the module of its name, with ``server_`` before it."""


def main() -> None:
    """Run and report."""
    options = arguments(__doc__ or "")
    options.add_argument("--only", help=f"parts, with commas, of {', '.join(PARTS)}")
    asked = options.parse_args()
    chosen = list(PARTS) if asked.only is None else asked.only.split(",")
    unknown = [each for each in chosen if each not in PARTS]
    if unknown:
        sys.exit(f"--only names {unknown[0]!r}, expected some of {', '.join(PARTS)}")
    folder = Path(os.environ.get("PERSONA_DATA", "../shared/data"))
    figures: dict[str, Figure] = {}
    for part in chosen:
        say(f"{part} …")
        measure: Measure = import_module(f"server_{part}").measure
        figures.update(measure(folder, quick=asked.quick, seed=asked.seed))
    finish(figures, seed=asked.seed, as_json=asked.json)


if __name__ == "__main__":
    main()

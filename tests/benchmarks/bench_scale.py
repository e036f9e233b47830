"""A million people: what importing, inferring, searching, serving and forgetting them take.

    python tests/benchmarks/bench_scale.py --json [--only processes,forget] [--quick]

Parts that need something which is not there say so and are passed over.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))  # before numpy is loaded

from parts import options, run

PARTS = ("million", "index", "start", "durable", "instructions", "processes", "forget")


def main() -> None:
    """Run and report."""
    asked = options(__doc__ or "", PARTS).parse_args()
    run("scale", PARTS, asked)


if __name__ == "__main__":
    main()

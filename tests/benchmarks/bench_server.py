"""The server: what a request costs, how it bears many users, long runs, and being killed.

    python tests/benchmarks/bench_server.py --json [--only overhead,kills] [--quick]

Servers and their clients are on this machine's loopback.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))  # before numpy is loaded

from parts import options, run

PARTS = ("overhead", "concurrent", "soak", "memory", "kills")


def main() -> None:
    """Run and report."""
    asked = options(__doc__ or "", PARTS).parse_args()
    run("server", PARTS, asked)


if __name__ == "__main__":
    main()
